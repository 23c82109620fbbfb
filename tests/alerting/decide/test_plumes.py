"""A plume notifies once: over properties, through flicker, at rises and drops of severity; missing data is no end."""

import email
import email.policy
import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from alerting.alert import Change, Severity
from alerting.decide.dedup import PlumeSeverity, decide_severity_drop
from alerting.decide.no_data import (
    NoDataSettings,
    StationContact,
    UnreachableReceiver,
    WatchedSite,
    end_network_alert,
    find_network_alerts,
)
from alerting.decide.routing import DecisionReason, Route
from alerting.dispatch.inbox_worker import InboxEntry, order_entries
from tests.alerting.running_dispatcher import (
    change,
    deliver_in_turn,
    fetch_rows,
    insert_alerts,
    run_dispatchers,
    wait_until,
    wait_until_delivered,
    wait_until_present,
)
from tests.alerting.sample_alerts import ONSET, make_alert, make_ended_alert
from tests.alerting.servers import MailServer, WebServer
from tests.gateway.enrolled_node import enrol_node

REASONS = "SELECT event_id, revision, reason FROM alerting.decision ORDER BY decided_at"


def subject(envelope):
    return email.message_from_bytes(envelope.content, policy=email.policy.default)["subject"]


async def test_all_properties_of_a_station_are_one_plume_which_ends_with_its_last(database, settings):
    pm10 = {"event_id": "pm10", "observed_property": "pm10", "severity": Severity.MODERATE}
    with MailServer() as server:
        async with run_dispatchers(settings(mail=server), database):
            await deliver_in_turn(
                database, make_alert(), make_alert(**pm10), make_ended_alert(), make_ended_alert(**pm10)
            )
            await wait_until(lambda: len(server.received) == 2)
    assert [reason for *_, reason in fetch_rows(database, REASONS)] == [
        "routed", "same_plume", "calm_awaited", "never_told", "calm",
    ]  # fmt: skip
    assert b"voorbij" in server.received[1].content


async def test_a_more_severe_property_of_the_same_plume_notifies(database, settings):
    with MailServer() as server:
        async with run_dispatchers(settings(mail=server), database):
            await deliver_in_turn(database, make_alert(), make_alert(event_id="pm10", severity=Severity.EXTREME))
    assert len(server.received) == 2


def make_alert_with_end(minutes=0, **changes):
    """An alert of now, and its end a second later."""
    began = datetime.now(UTC) - timedelta(minutes=minutes)
    over = began + timedelta(seconds=1)
    times = {"onset": began, "peak_at": began, "detected_at": began}
    return make_alert(**times, **changes), make_ended_alert(**{**times, "end": over}, **changes)


async def test_a_flickering_event_notifies_once_and_ends_once(database, settings):
    with MailServer() as server:
        async with run_dispatchers(settings(mail=server, calm_minutes=5), database):
            for n in range(6):
                await deliver_in_turn(database, *make_alert_with_end(event_id=f"e{n}"))
            assert len(server.received) == 1
            change(database, "UPDATE alerting.member SET changed_at = now() - interval '6 minutes'")
            await wait_until(lambda: len(server.received) == 2)
            await deliver_in_turn(database, make_alert_with_end(event_id="later")[0])
            assert len(server.received) == 3
    assert subject(server.received[1]).startswith("Piek voorbij")


async def test_alerts_that_waited_for_alerting_are_decided_by_the_times_of_their_events(database, settings):
    """Two peaks two hours apart are two plumes, also if they are decided together."""
    with MailServer() as server:
        first, second = (
            make_alert_with_end(minutes=180, event_id="first"),
            make_alert_with_end(minutes=60, event_id="second"),
        )
        await insert_alerts(database, *first, *second)
        async with run_dispatchers(settings(mail=server, calm_minutes=5), database):
            await wait_until_delivered(database)
            await wait_until(lambda: len(server.received) == 4)
    reasons = fetch_rows(database, "SELECT event_id FROM alerting.decision WHERE told ORDER BY decided_at")
    assert sorted(reasons) == [("first",), ("first",), ("second",), ("second",)]


async def test_an_event_that_never_ends_does_not_suppress_a_later_one(database, settings):
    with MailServer() as server:
        async with run_dispatchers(settings(mail=server, calm_minutes=5), database):
            hung, over = make_alert_with_end(event_id="hung")
            await deliver_in_turn(database, hung)
            change(database, "UPDATE alerting.plume SET opened_at = now() - interval '7 hours'")
            await deliver_in_turn(database, make_alert_with_end(event_id="new")[0])
            assert len(server.received) == 2
            await deliver_in_turn(database, over)
    assert len(server.received) == 3


async def test_an_event_without_a_plume_still_notifies_of_its_end(database, settings):
    with MailServer() as server:
        async with run_dispatchers(settings(mail=server, calm_minutes=5), database):
            opened, over = make_alert_with_end()
            await deliver_in_turn(database, opened)
            change(database, "DELETE FROM alerting.member")
            await deliver_in_turn(database, over)
    assert len(server.received) == 2


async def test_a_correction_goes_at_once_to_the_receivers_notified_of_that_event(database, settings):
    with MailServer() as server:
        async with run_dispatchers(settings(mail=server, calm_minutes=5), database):
            other = make_alert(event_id="pm10")
            await deliver_in_turn(database, make_alert(), other, make_alert(2, change=Change.VOIDED))
            assert b"Correctie" in server.received[1].content
            await deliver_in_turn(database, make_alert(2, event_id="pm10", change=Change.VOIDED))
    subjects = [subject(mail) for mail in server.received]
    assert [text.partition(":")[0] for text in subjects] == [
        "Piek PM2,5 bij Wijk aan Zee",
        "Correctie",
        "Wel een piek",
        "Correctie",
    ]


async def test_a_severity_drop_notifies_after_its_hold_and_a_rise_at_once(database, settings):
    lower, higher = Severity.MINOR, Severity.EXTREME
    with MailServer() as server:
        async with run_dispatchers(settings(mail=server), database):
            await deliver_in_turn(database, make_alert(), make_alert(2, change=Change.UPDATED, severity=lower))
            assert len(server.received) == 1
            change(database, "UPDATE alerting.inbox SET received_at = now() - interval '11 minutes'")
            await wait_until(lambda: len(server.received) == 2)
            assert subject(server.received[1]).startswith("Minder ernstig: Piek PM2,5")
            await deliver_in_turn(database, make_alert(3, change=Change.UPDATED, severity=higher))
            assert len(server.received) == 3
            await deliver_in_turn(database, make_alert(4, change=Change.UPDATED, severity=Severity.SEVERE))
    assert len(server.received) == 3


@given(st.lists(st.tuples(st.sampled_from(list(Severity)), st.integers(1, 2000)), min_size=2, max_size=30))
def test_a_severity_drop_never_notifies_before_its_hold(steps):
    last_notified, now, hold = Severity.EXTREME, ONSET, timedelta(minutes=10)
    for (severity, _), (_, wait) in itertools.pairwise(steps):
        course = PlumeSeverity(receiver="od", last_notified=last_notified, current=severity, since=now)
        now += timedelta(seconds=wait)
        decision = decide_severity_drop(course, now, hold)
        assert (decision is not None) == (severity.rank < last_notified.rank and wait >= 600)
        if decision is not None:
            assert decision.reason is DecisionReason.EASED
            last_notified = severity


async def test_a_station_without_data_ends_no_event_and_notifies_once(database, settings):
    enrol_node(database)
    put_status = "INSERT INTO node_status (node_id, last_seen) VALUES ('ijm-001', now() - interval '1 hour')"
    with MailServer() as server:
        async with run_dispatchers(settings(mail=server), database):
            await deliver_in_turn(database, make_alert())
            change(database, put_status)
            await wait_until(lambda: len(server.received) == 2)
            assert subject(server.received[1]).startswith("Geen gegevens meer: Piek PM2,5")
            change(database, "UPDATE node_status SET last_seen = now()")
            await wait_until_present(database, "SELECT 1 FROM alerting.watch WHERE no_data_at IS NULL")
    assert len(server.received) == 2
    assert fetch_rows(database, "SELECT state FROM alerting.member") == [("open",)]


async def test_events_detected_late_are_in_one_digest_only(database, settings):
    with MailServer() as server, WebServer() as web:
        chosen = settings(mail=server, web=web, digest_at="00:00")
        async with run_dispatchers(chosen, database):  # the day's digest is made while it is empty
            await wait_until_present(database, "SELECT 1 FROM alerting.digest")
            late = [make_alert(event_id=f"e{n}", station=f"s{n}", detected_late=True) for n in range(3)]
            await deliver_in_turn(database, *late, make_ended_alert(event_id="e0", station="s0", detected_late=True))
            assert server.received == web.requests == []
            change(database, "DELETE FROM alerting.digest")
            await wait_until(lambda: server.received and web.requests)
            change(database, "DELETE FROM alerting.digest")
            await wait_until_present(database, "SELECT 1 FROM alerting.digest")
            await wait_until_delivered(database)
    assert (len(server.received), len(web.requests)) == (1, 1)
    assert b"Dagoverzicht: 3 achteraf gevonden" in server.received[0].content
    assert b"dagoverzicht" in web.requests[0][1]


NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)
SITE = WatchedSite(name="Tata Steel", area="ijmond", latitude=52.478, longitude=4.604)


def make_contact(minutes, station="wijk-aan-zee", area="ijmond", latitude=52.494):
    last = NOW - timedelta(minutes=minutes)
    return StationContact(station=station, area=area, latitude=latitude, longitude=4.594, last_heard=last)


@pytest.mark.parametrize(
    ("stations", "silent"),
    [
        ([], []),
        ([make_contact(14)], []),
        ([make_contact(16)], ["ijmond"]),
        ([make_contact(16), make_contact(1, "velsen")], []),
        ([make_contact(16), make_contact(1, "beverwijk", latitude=52.7)], ["Tata Steel"]),
        ([make_contact(16), make_contact(99, "geleen", "chemelot", 50.9)], ["chemelot", "ijmond"]),
    ],
)
def test_an_area_or_site_alerts_if_no_station_sends_data(stations, silent):
    alerts = find_network_alerts(stations, [SITE], [], NOW, timedelta(minutes=15))
    assert [alert.place.name for alert in alerts] == silent
    later = find_network_alerts(stations, [SITE], [], NOW + timedelta(seconds=30), timedelta(minutes=15))
    assert {alert.event_id for alert in alerts} <= {alert.event_id for alert in later}


def test_a_network_alert_has_its_sentence_in_both_languages():
    (alert,) = find_network_alerts([], [], [UnreachableReceiver(receiver="od", since=NOW)], NOW, timedelta(minutes=15))
    assert alert.sentence == {
        "nl": "Meldingen aan od komen sinds 04:00:00 niet aan",
        "en": "Alerts to od have not arrived since 04:00:00",
    }
    assert end_network_alert(alert, 2, NOW).sentence["nl"].startswith("Berichten aan od: de storing is voorbij")


async def test_only_the_network_receiver_is_notified_of_an_area_without_data(database, settings):
    enrol_node(database)
    change(database, "INSERT INTO node_status (node_id, last_seen) VALUES ('ijm-001', now() - interval '1 hour')")
    with MailServer() as server, WebServer() as web:
        chosen = settings(mail=server, web=web, no_data=NoDataSettings(receiver="od"), route=[])
        async with run_dispatchers(chosen, database, workers=2):
            await wait_until(lambda: server.received and web.requests)
            await wait_until_delivered(database)
    assert (len(server.received), len(web.requests)) == (1, 1)
    assert b"Geen gegevens uit ijmond sinds" in server.received[0].content
    assert b"nl.piekwacht.stiltes.gedetecteerd.v1" in web.requests[0][1]
    assert b'"peak"' not in web.requests[0][1]


async def test_an_end_states_that_the_peak_was_more_severe_than_notified(database, settings):
    with MailServer() as server:
        async with run_dispatchers(settings(mail=server), database):
            opened, over = make_alert_with_end(severity=Severity.MODERATE)
            await deliver_in_turn(database, opened, structs.replace(over, severity=Severity.SEVERE))
            await wait_until(lambda: len(server.received) == 2)
    first, last = (
        email.message_from_bytes(envelope.content, policy=email.policy.default).get_body(("plain",)).get_content()
        for envelope in server.received
    )
    assert "ernstiger" not in first
    assert "De piek was ernstiger dan wij toen meldden." in last


async def test_an_end_that_reaches_a_receivers_threshold_notifies_it(database, settings):
    with MailServer() as server:
        severe = [Route(receiver="od", least_severity=Severity.SEVERE)]
        async with run_dispatchers(settings(mail=server, calm_minutes=5, route=severe), database):
            opened, over = make_alert_with_end(severity=Severity.MODERATE)
            await deliver_in_turn(database, opened)
            assert server.received == []
            await deliver_in_turn(database, structs.replace(over, severity=Severity.SEVERE))
            await wait_until_delivered(database)
    (mail,) = server.received
    assert subject(mail).startswith("Piek voorbij")


async def test_a_plume_over_two_stations_is_one_message_and_one_end(database, settings):
    elsewhere = {"event_id": "there", "station": "beverwijk", "plume": "p1"}
    with MailServer() as server:
        async with run_dispatchers(settings(mail=server), database):
            await deliver_in_turn(
                database, make_alert(plume="p1"), make_alert(**elsewhere),
                make_ended_alert(plume="p1"), make_ended_alert(**elsewhere),
            )  # fmt: skip
            await wait_until(lambda: len(server.received) == 2)
    assert [reason for *_, reason in fetch_rows(database, REASONS)] == [
        "routed", "same_plume", "calm_awaited", "never_told", "calm",
    ]  # fmt: skip
    assert (
        "2 stations"
        in email.message_from_bytes(server.received[1].content, policy=email.policy.default)
        .get_body(("plain",))
        .get_content()
    )


async def test_another_plume_at_the_same_station_is_another_message(database, settings):
    with MailServer() as server:
        async with run_dispatchers(settings(mail=server), database):
            await deliver_in_turn(database, make_alert(plume="p1"), make_alert(event_id="e2", plume="p2"))
            await wait_until(lambda: len(server.received) == 2)


def test_alerts_of_one_transaction_are_decided_in_the_order_of_their_rank():
    def entry(event, severity, order, revision=1, at=0):
        moment = ONSET + timedelta(seconds=at)
        return InboxEntry(
            event_id=event, revision=revision, alert="", received_at=moment, severity=severity, property_order=order
        )

    waiting = [
        entry("a", "minor", 1), entry("b", "minor", 0), entry("c", "moderate", 3), entry("c", "severe", 3, revision=2),
        entry("d", "extreme", 0, at=1),
    ]  # fmt: skip
    ordered = [(item.event_id, item.revision) for item in order_entries(waiting)]
    assert ordered == [("c", 1), ("c", 2), ("b", 1), ("a", 1), ("d", 1)]
