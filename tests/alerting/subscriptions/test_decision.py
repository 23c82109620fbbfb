"""A subscriber is notified once of a plume, again if severity rises, of its end, and of every correction."""

from datetime import UTC, datetime, time, timedelta

import pytest
from msgspec import structs

from alerting.alert import Change, Corroboration, Place, Severity
from alerting.subscriptions.decision import (
    NOTIFYING,
    NoticeReason,
    NoticeRules,
    build_plume_alerts,
    decide_notice,
    describe_notice,
)
from alerting.subscriptions.quiet_hours import QuietHours
from alerting.subscriptions.subscription import Cadence, NoticeSubscription, PlaceKind, SubscribedPlace
from tests.alerting.sample_alerts import ONSET, make_alert, make_ended_alert

NOON = datetime(2026, 11, 21, 11, tzinfo=UTC)
NIGHT = datetime(2026, 11, 21, 2, tzinfo=UTC)
RULES = NoticeRules()
IJMOND = SubscribedPlace(kind=PlaceKind.AREA, id="ijmond")
ALL = NoticeSubscription(place=IJMOND, level=Severity.MINOR)
QUIET = structs.replace(ALL, quiet=QuietHours(begin=time(22), end=time(7)))


def plume(*alerts, is_calm=False):
    return build_plume_alerts("p", alerts, is_calm=is_calm)


def decide(alerts, subscriptions=(ALL,), last=None, now=NOON, **options):
    is_calm = options.pop("is_calm", False)
    return decide_notice(plume(*alerts, is_calm=is_calm), subscriptions, last, now, RULES, **options)


def make_last_notice(alerts, subscriptions=(ALL,), last=None, **options):
    """The last notice of a contact after the notice of these alerts."""
    decision = decide(alerts, subscriptions, last, **options)
    assert decision.notifies
    return describe_notice(decision, plume(*alerts), last)


def test_a_plume_is_notified_once():
    first = make_alert()
    assert decide([first]).reason is NoticeReason.FIRST
    assert decide([first], last=make_last_notice([first])).reason is NoticeReason.NOT_WORSE
    second = make_alert(event_id="other", observed_property="pm10", station="beverwijk")
    assert decide([first, second], last=make_last_notice([first])).reason is NoticeReason.NOT_WORSE


def test_a_rise_is_notified_and_a_fall_is_not():
    minor = make_alert(severity=Severity.MINOR)
    last = make_last_notice([minor])
    worse = decide([make_alert(2, severity=Severity.SEVERE, change=Change.UPDATED)], last=last)
    assert worse.reason is NoticeReason.WORSE
    assert decide([minor], last=structs.replace(last, severity=Severity.SEVERE)).reason is NoticeReason.NOT_WORSE


def test_the_end_waits_until_the_whole_plume_is_calm():
    first, ended = make_alert(), make_ended_alert()
    going_on = make_alert(event_id="other", station="beverwijk")
    last = make_last_notice([first])
    assert decide([ended, going_on], last=last).reason is NoticeReason.NOT_WORSE
    assert decide([ended], last=last).reason is NoticeReason.CALM_AWAITED
    end = decide([ended], last=last, is_calm=True)
    assert end.reason is NoticeReason.ENDED
    notice = describe_notice(end, plume(ended), last)
    assert notice.has_ended
    assert decide([ended], last=notice, is_calm=True).reason is NoticeReason.NOT_WORSE
    assert decide([ended, going_on], last=notice).reason is NoticeReason.REOPENED


@pytest.mark.parametrize("subscriptions", [(ALL,), (), (structs.replace(ALL, level=Severity.EXTREME),)])
@pytest.mark.parametrize("is_paused", [False, True])
def test_every_notified_subscriber_gets_the_correction(subscriptions, is_paused):
    last = make_last_notice([make_alert()])
    voided = make_alert(2, change=Change.VOIDED)
    decision = decide([voided], subscriptions, last, is_paused=is_paused)
    assert decision.reason is NoticeReason.CORRECTED
    notice = describe_notice(decision, plume(voided), last)
    assert notice.is_voided
    assert decide([voided], last=notice).reason is NoticeReason.NEVER_NOTIFIED


def test_a_subscriber_who_was_not_notified_gets_no_correction():
    assert decide([make_alert(change=Change.VOIDED)]).reason is NoticeReason.NEVER_NOTIFIED


def test_a_correction_names_the_remaining_peak_of_the_plume():
    first = make_alert(severity=Severity.SEVERE)
    remaining = make_alert(event_id="other", observed_property="pm10", severity=Severity.MINOR)
    decision = decide([structs.replace(first, change=Change.VOIDED), remaining], last=make_last_notice([first]))
    assert (decision.reason, decision.alert) == (NoticeReason.CORRECTED, remaining)


@pytest.mark.parametrize(
    ("confidence", "neighbours", "expected"),
    [
        (0.89, None, NoticeReason.NOT_SURE_ENOUGH),
        (0.9, None, NoticeReason.FIRST),
        (0.7, Corroboration(risen=1, total=3), NoticeReason.FIRST),
        (0.69, Corroboration(risen=1, total=3), NoticeReason.NOT_SURE_ENOUGH),
        (0.89, Corroboration(risen=0, total=3), NoticeReason.NOT_SURE_ENOUGH),
    ],
)
def test_the_confidence_of_a_plume_at_one_station_must_be_higher(confidence, neighbours, expected):
    assert decide([make_alert(confidence=confidence, neighbours=neighbours)]).reason is expected


def test_two_stations_corroborate_each_other():
    alerts = [make_alert(confidence=0.75), make_alert(event_id="other", station="beverwijk", confidence=0.5)]
    assert decide(alerts).reason is NoticeReason.FIRST


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"level": Severity.EXTREME}, NoticeReason.BELOW_LEVEL),
        ({"observed_property": "pm10"}, NoticeReason.OTHER_SUBJECT),
        ({"place": SubscribedPlace(kind=PlaceKind.STATION, id="beverwijk")}, NoticeReason.OTHER_SUBJECT),
        ({"place": SubscribedPlace(kind=PlaceKind.STATION, id="wijk-aan-zee")}, NoticeReason.FIRST),
        (
            {"place": SubscribedPlace(kind=PlaceKind.CIRCLE, latitude=52.499, longitude=4.594, radius=500)},
            NoticeReason.OTHER_SUBJECT,
        ),
        (
            {"place": SubscribedPlace(kind=PlaceKind.CIRCLE, latitude=52.498, longitude=4.594, radius=500)},
            NoticeReason.FIRST,
        ),
    ],
)
def test_place_property_and_level_decide(change, expected):
    assert decide([make_alert()], [structs.replace(ALL, **change)]).reason is expected


def test_a_peak_that_was_over_when_it_was_detected_is_notified_as_past():
    assert decide([make_ended_alert(1)]).reason is NoticeReason.LATE
    assert decide([make_alert(detected_late=True)]).reason is NoticeReason.LATE


def test_quiet_hours_hold_until_their_end():
    decision = decide([make_alert()], [QUIET], now=NIGHT)
    assert (decision.reason, decision.release_at) == (NoticeReason.HELD_QUIET, datetime(2026, 11, 21, 6, tzinfo=UTC))
    assert decide([make_alert()], [QUIET], now=NIGHT, is_release=True).reason is NoticeReason.FIRST
    assert decide([make_ended_alert()], [QUIET], now=NIGHT, is_release=True).reason is NoticeReason.LATE
    assert decide([make_alert(change=Change.VOIDED)], [QUIET], now=NIGHT, is_release=True).reason not in NOTIFYING


def test_an_extreme_peak_is_notified_in_quiet_hours_if_the_subscriber_chose_that():
    extreme, woken = make_alert(severity=Severity.EXTREME), structs.replace(QUIET, wakes=True)
    assert decide([extreme], [woken], now=NIGHT).reason is NoticeReason.FIRST
    assert decide([make_alert()], [woken], now=NIGHT).reason is NoticeReason.HELD_QUIET
    assert decide([extreme], [QUIET], now=NIGHT).reason is NoticeReason.HELD_QUIET
    ended = make_ended_alert(severity=Severity.EXTREME)
    last = make_last_notice([extreme], [woken], now=NIGHT)
    assert decide([ended], [woken], last, NIGHT, is_calm=True).reason is NoticeReason.HELD_QUIET


def test_a_correction_waits_for_the_end_of_quiet_hours_too():
    last = make_last_notice([make_alert()])
    assert decide([make_alert(change=Change.VOIDED)], [QUIET], last, NIGHT).reason is NoticeReason.HELD_QUIET


def test_a_daily_notice_waits_for_the_morning():
    decision = decide([make_alert()], [structs.replace(ALL, cadence=Cadence.DAILY)])
    assert (decision.reason, decision.release_at) == (
        NoticeReason.HELD_DAILY,
        datetime(2026, 11, 22, 6, 30, tzinfo=UTC),
    )


def test_of_several_subscriptions_the_first_that_permits_it_counts():
    daily = structs.replace(ALL, cadence=Cadence.DAILY)
    assert decide([make_alert()], [daily, ALL]).reason is NoticeReason.FIRST
    held = decide([make_alert()], [daily, QUIET], now=NIGHT)
    assert held.reason is NoticeReason.HELD_QUIET
    assert decide([make_alert()], [ALL, QUIET], now=NIGHT).reason is NoticeReason.FIRST


def test_a_paused_subscriber_is_not_notified():
    assert decide([make_alert()], is_paused=True).reason is NoticeReason.PAUSED


def test_an_alert_of_a_doubtful_kind_is_no_plume():
    assert decide([make_alert(kind="humidity")]).reason is NoticeReason.NEVER_NOTIFIED


def test_the_notice_leads_with_the_property_that_was_subscribed_to():
    dust = make_alert(severity=Severity.MODERATE)
    gas = make_alert(event_id="gas", observed_property="ch4", severity=Severity.EXTREME)
    decision = decide([gas, dust], [structs.replace(ALL, observed_property="pm2_5")])
    assert decision.alert == dust


def test_the_place_of_an_alert_decides_about_a_circle():
    far = make_alert(place=Place(name="ver", latitude=53.0, longitude=4.594), onset=ONSET + timedelta(minutes=1))
    circle = SubscribedPlace(kind=PlaceKind.CIRCLE, latitude=52.494, longitude=4.594, radius=25_000)
    assert decide([far], [structs.replace(ALL, place=circle)]).reason is NoticeReason.OTHER_SUBJECT
