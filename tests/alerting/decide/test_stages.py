"""Silences, known sources, reminders: each suppresses or adds a notification, with a reason."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.alert import Change, Severity
from alerting.decide.dedup import LastNotified
from alerting.decide.escalation import UnacknowledgedAlert
from alerting.decide.inhibition import KnownSource
from alerting.decide.matcher import Matcher, MatcherIndex
from alerting.decide.policy import NotificationPolicy
from alerting.decide.routing import DecisionReason, Route
from alerting.decide.silence import Silence
from alerting.delivery.email import EmailSettings
from alerting.errors import SettingsError
from alerting.settings import AlertingSettings, ReceiverSettings
from tests.alerting.sample_alerts import ONSET, make_alert, make_ended_alert

ROUTES = [Route(receiver="od")]
LAST_NOTIFIED = {"od": LastNotified(severity=Severity.SEVERE)}
SILENCE = Silence(
    id=7,
    match=('station="wijk-aan-zee"',),
    author="Jansen",
    reason="onderhoud",
    starts_at=ONSET,
    ends_at=ONSET + timedelta(hours=1),
)
SOURCE = KnownSource(
    name="Sinterfabriek",
    match=['area="ijmond"'],
    legal_basis="vergunning 12-34",
    owner="Tata Steel",
    until=date(2026, 12, 31),
    level=100.0,
)


@given(st.integers(-10_000, 10_000))
def test_a_silence_never_outlives_its_end_and_never_begins_early(seconds):
    now = ONSET + timedelta(seconds=seconds)
    (decision,) = NotificationPolicy(ROUTES, silences=[SILENCE]).decide(make_alert(), {}, now)
    assert decision.notify == (not 0 <= seconds < 3600)
    if not decision.notify:
        assert decision.reason is DecisionReason.SILENCED
        assert "Jansen" in decision.detail


@pytest.mark.parametrize(
    ("excess", "day", "notifies"),
    [(75.6, 1, False), (100.0, 1, True), (250.0, 1, True), (75.6, 41, False), (75.6, 42, True)],
)
def test_a_known_source_suppresses_below_its_level_and_through_its_last_day(excess, day, notifies):
    (decision,) = NotificationPolicy(ROUTES, [SOURCE]).decide(
        make_alert(excess=excess), {}, ONSET + timedelta(days=day - 1)
    )
    assert decision.notify is notifies
    assert notifies or (decision.reason is DecisionReason.KNOWN_SOURCE and "vergunning 12-34" in decision.detail)


@pytest.mark.parametrize("change", [Change.ENDED, Change.VOIDED])
def test_end_and_correction_notify_exactly_the_notified_receivers_under_any_policy(change):
    policy = NotificationPolicy([Route(receiver="another")], [SOURCE], [SILENCE])
    decisions = policy.decide(make_alert(2, change=change, confidence=0.0), LAST_NOTIFIED, ONSET)
    assert [(v.receiver, v.notify) for v in decisions] == [("od", True)]


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [(4, []), (6, [DecisionReason.REMINDED]), (16, [DecisionReason.REMINDED, DecisionReason.ESCALATED])],
)
def test_without_an_acknowledgement_a_reminder_and_then_an_escalation_follow(minutes, expected):
    policy = NotificationPolicy([Route(receiver="od", remind_minutes=5, escalate_to="chief", escalate_minutes=15)])
    watched = UnacknowledgedAlert(receiver="od", notified_at=ONSET, last_notified_at=ONSET, escalated=False)
    decisions = policy.decide_reminders(make_alert(), watched, ONSET + timedelta(minutes=minutes))
    assert [v.reason for v in decisions] == expected
    assert policy.decide_reminders(make_ended_alert(), watched, ONSET + timedelta(days=1)) == []
    assert NotificationPolicy(
        [Route(receiver="od", remind_minutes=5)],
        silences=[SILENCE],
    ).decide_reminders(make_alert(), watched, ONSET + timedelta(minutes=30)) == []  # fmt: skip


LABEL_SETS = st.fixed_dictionaries(
    {
        "area": st.sampled_from("ab"),
        "station": st.sampled_from("xyz"),
        "site": st.sampled_from([(), ("x",), ("a", "b")]),
    }
)
MATCHERS = st.lists(
    st.builds(
        lambda label, operator, value: f'{label}{operator}"{value}"',
        st.sampled_from(["area", "site", "station", "kind"]),
        st.sampled_from(["=", "!=", "=~", "!~"]),
        st.sampled_from(["a", "b", "x", "", "x|y"]),
    ),
    max_size=3,
)


@given(st.lists(MATCHERS, max_size=8), LABEL_SETS)
def test_the_matcher_index_agrees_with_a_test_of_every_item_in_order(many, labels):
    slow = [n for n, texts in enumerate(many) if all(Matcher.parse(text).matches(labels) for text in texts)]
    assert list(MatcherIndex(list(enumerate(many))).find_matching(labels)) == slow


@pytest.mark.parametrize(
    ("routes", "words"),
    [
        ([Route(receiver="od"), Route(receiver="od", match=['area="ijmond"'])], r"route\[1\]: never reached"),
        ([Route(receiver="od", match=['aera="ijmond"'])], r"alerting.route\[0\].match: .*no label 'aera'"),
        ([Route(receiver="od", match=['area="a"', 'area="b"'])], r"route\[0\]: never reached, nothing is area"),
        ([Route(receiver="od", match=['severity="minor"'], least_severity=Severity.SEVERE)], "least_severity excludes"),
        (
            [Route(receiver="od", hours=["sat-sun"]), Route(receiver="od", hours=["sat-sun"], match=['area="a"'])],
            r"route\[1\]: never reached",
        ),
        (
            [Route(receiver="od", at_or_above=["a", "b"]), Route(receiver="od", at_or_above=["b"])],
            r"route\[1\]: never reached",
        ),
        ([Route(receiver="do")], r"route\[0\].receiver: no receiver 'do'; the nearest receiver is 'od'"),
        ([Route(receiver="od", escalate_to="chef")], r"route\[0\].escalate_to"),
    ],
)
def test_routes_that_cannot_work_are_refused_with_path_and_remedy(routes, words):
    receivers = [ReceiverSettings(name="od", email=[EmailSettings(to=["a@b.nl"])])]
    with pytest.raises(SettingsError, match=words):
        AlertingSettings(receiver=receivers, route=routes)


@pytest.mark.parametrize("routes", [
    [Route(receiver="od", at_or_above=["a"]), Route(receiver="od")],
    [Route(receiver="od", at_or_above=["a"]), Route(receiver="od", at_or_above=["a", "b"])],
])  # fmt: skip
def test_a_route_that_waits_for_a_level_hides_no_route_that_waits_for_less(routes):
    receivers = [ReceiverSettings(name="od", email=[EmailSettings(to=["a@b.nl"])])]
    assert AlertingSettings(receiver=receivers, route=routes).route == routes
