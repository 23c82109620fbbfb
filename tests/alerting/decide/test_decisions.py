"""Decisions about receivers: pure, total, each with a reason."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from alerting.alert import Change, Severity
from alerting.decide.dedup import EarlierRevisions, LastNotified
from alerting.decide.matcher import Matcher
from alerting.decide.policy import NotificationPolicy
from alerting.decide.routing import DecisionReason, Route
from alerting.delivery.email import EmailSettings
from alerting.errors import SettingsError
from alerting.settings import AlertingSettings, ReceiverSettings
from tests.alerting.sample_alerts import ONSET, make_alert, make_ended_alert

LAST_NOTIFIED = {"od": LastNotified(severity=Severity.SEVERE)}


def reason(alert, *routes, last_notified=None):
    (decision,) = NotificationPolicy(routes or [Route(receiver="od")]).decide(alert, last_notified or {}, ONSET)
    assert decision.notify == (decision.reason is DecisionReason.ROUTED)
    return decision.reason


def test_an_opened_event_notifies():
    assert reason(make_alert()) is DecisionReason.ROUTED


def test_no_route_is_a_reason_too():
    assert reason(make_alert(), Route(receiver="od", match=['area="chemelot"'])) is DecisionReason.NO_ROUTE


@pytest.mark.parametrize("level", list(Severity))
def test_a_route_takes_its_least_severity_and_all_above(level):
    expected = DecisionReason.ROUTED if level.rank >= Severity.MODERATE.rank else DecisionReason.NO_ROUTE
    assert reason(make_alert(severity=level), Route(receiver="od", least_severity=Severity.MODERATE)) is expected


def test_an_event_of_low_confidence_does_not_notify():
    assert reason(make_alert(confidence=0.3)) is DecisionReason.NOT_SURE_ENOUGH


def test_an_event_detected_late_does_not_notify():
    assert reason(make_alert(detected_late=True)) is DecisionReason.DETECTED_LATE


def test_an_end_that_raises_severity_notifies_receivers_with_that_threshold():
    moderate, severe = LastNotified(severity=Severity.MODERATE), LastNotified(severity=Severity.SEVERE)
    policy = NotificationPolicy(
        [Route(receiver="all", go_on=True), Route(receiver="worst", least_severity=Severity.SEVERE)]
    )

    def decide_by_receiver(last_notified, *, rose):
        return {
            v.receiver: v.notify
            for v in policy.decide(make_ended_alert(), last_notified, ONSET, earlier=EarlierRevisions(rose_at_end=rose))
        }

    assert decide_by_receiver({"all": moderate}, rose=True) == {"all": True, "worst": True}
    assert decide_by_receiver({"all": moderate}, rose=False) == {"all": True}
    of_the_plume = structs.replace(moderate, of_this_event=False)
    assert decide_by_receiver({"all": of_the_plume}, rose=True) == {"all": True, "worst": True}
    assert decide_by_receiver({"worst": structs.replace(severe, of_this_event=False)}, rose=True) == {
        "all": True,
        "worst": False,
    }
    assert decide_by_receiver({}, rose=False) == {"all": False, "worst": False}


def test_an_update_notifies_only_if_severity_rises():
    worse = make_alert(2, change=Change.UPDATED, severity=Severity.EXTREME)
    assert reason(worse, last_notified=LAST_NOTIFIED) is DecisionReason.ROUTED
    assert reason(make_alert(2, change=Change.UPDATED), last_notified=LAST_NOTIFIED) is DecisionReason.NOT_WORSE


@pytest.mark.parametrize("change", [Change.ENDED, Change.VOIDED])
def test_an_end_notifies_the_receivers_notified_of_the_event(change):
    assert reason(make_alert(2, change=change), last_notified=LAST_NOTIFIED) is DecisionReason.ROUTED
    assert reason(make_alert(2, change=change)) is DecisionReason.NEVER_TOLD


def test_an_end_notifies_at_any_confidence():
    assert reason(make_ended_alert(confidence=0.1), last_notified=LAST_NOTIFIED) is DecisionReason.ROUTED


def test_the_first_matching_route_is_the_last_without_go_on():
    routes = [Route(receiver="a", go_on=True), Route(receiver="b"), Route(receiver="c")]
    assert [v.receiver for v in NotificationPolicy(routes).decide(make_alert(), {}, ONSET)] == ["a", "b"]


@given(
    st.sampled_from(list(Change)),
    st.sampled_from(list(Severity)),
    st.floats(0, 1),
    st.booleans(),
    st.lists(st.sampled_from(['area="ijmond"', 'area!="ijmond"', 'severity=~"severe|extreme"']), max_size=3),
)
def test_deciding_is_total(change, severity, confidence, late, match):
    alert = make_alert(change=change, severity=severity, confidence=confidence, detected_late=late)
    for last_notified in ({}, LAST_NOTIFIED):
        assert NotificationPolicy([Route(receiver="od", match=match)]).decide(alert, last_notified, ONSET)


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ('area="ijmond"', "ijmond", True),
        ('area="ijmond"', "ijmondx", False),
        ('area!="ijmond"', "ijmond", False),
        ('area=~"ij.*"', "ijmond", True),
        ('area=~"ij"', "ijmond", False),
        ('area!~"ij.*"', "chemelot", True),
    ],
)
def test_matchers_read_as_in_alertmanager(text, value, expected):
    assert Matcher.parse(text).matches({"area": value}) is expected


@pytest.mark.parametrize("text", ["area=ijmond", 'colour="red"', 'area=~"("', ""])
def test_a_matcher_that_cannot_work_is_refused(text):
    with pytest.raises(SettingsError, match="matcher"):
        Matcher.parse(text)


@pytest.mark.parametrize(
    ("receivers", "routes", "words"),
    [
        ([ReceiverSettings(name="od")], [], "no channel"),
        (
            [ReceiverSettings(name="od", email=[EmailSettings(to=["a@b.nl"])])],
            [Route(receiver="odd")],
            "nearest receiver is .od.",
        ),
        ([], [Route(receiver="od", match=["nonsense"])], "od"),
    ],
)
def test_settings_that_notify_nobody_are_refused(receivers, routes, words):
    with pytest.raises(SettingsError, match=words):
        AlertingSettings(receiver=receivers, route=routes)


def test_severities_are_ordered():
    assert [a.rank < b.rank for a, b in itertools.pairwise(Severity)] == [True] * 3
