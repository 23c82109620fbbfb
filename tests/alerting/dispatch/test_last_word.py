"""The last message to a receiver is right: it covers the whole plume, later changes and voided peaks."""

import email
import email.policy
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from alerting.alert import Change, Severity
from alerting.decide.dedup import compare_revisions
from alerting.decide.routing import Route
from alerting.message.plume import summarize_plume
from tests.alerting.running_dispatcher import (
    change,
    deliver_in_turn,
    fetch_rows,
    run_dispatchers,
    wait_until,
    wait_until_delivered,
    wait_until_present,
)
from tests.alerting.sample_alerts import ONSET, make_alert, make_ended_alert
from tests.alerting.servers import MailServer, WebServer

REASONS = "SELECT event_id, revision, reason FROM alerting.decision WHERE told ORDER BY decided_at"
CALM = "UPDATE alerting.member SET changed_at = now() - interval '6 minutes'"
FIRST = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=30)


def subject_and_text(envelope):
    message = email.message_from_bytes(envelope.content, policy=email.policy.default)
    return message["subject"], message.get_body(("plain",)).get_content()


def peak(event, minute, *, lasts=1, **changes):
    """An alert and its end, `minute` minutes after the plume began."""
    onset = FIRST + timedelta(minutes=minute)
    times = {"event_id": event, "onset": onset, "peak_at": onset + timedelta(seconds=20), "detected_at": onset}
    ended = make_ended_alert(**{**times, "end": onset + timedelta(minutes=lasts), **changes})
    return make_alert(**{**times, **changes}), ended


async def test_the_closing_message_covers_the_whole_plume(database, settings):
    low = {"peak": 84.0, "excess": 75.6}
    high = {"peak": 120.0, "excess": 111.6}
    with MailServer() as server, WebServer() as web:
        async with run_dispatchers(settings(mail=server, web=web, calm_minutes=5), database):
            await deliver_in_turn(
                database, *peak("e0", 0, **low), *peak("e1", 3, **high), *peak("e2", 6, lasts=4, **low)
            )
            assert len(server.received) == 1
            change(database, CALM)
            await wait_until(lambda: len(server.received) == 2 and len(web.requests) == 2)
    subject, text = subject_and_text(server.received[1])
    assert subject == "Piek voorbij: PM2,5 bij Wijk aan Zee: 120 µg/m³ (14× achtergrond), losse meting"
    assert "3 pieken op 1 station, van " in text
    assert text.index("Hoogste van de pluim") < text.index("Hieronder de piek die wij eerder meldden.") < 1000
    assert "PM2,5 120 µg/m³ (14× achtergrond), losse meting, om " in text
    plume = json.loads(web.requests[1][1])["data"]["plume"]
    assert datetime.fromisoformat(plume["first_onset"]) == FIRST
    assert datetime.fromisoformat(plume["last_end"]) == FIRST + timedelta(minutes=10)
    assert (plume["event_count"], plume["station_count"], plume["peak"]) == (3, 1, 120.0)


async def test_a_peak_that_continues_after_its_end_message_is_reopened(database, settings):
    with MailServer() as server:
        async with run_dispatchers(settings(mail=server, calm_minutes=0), database):
            opened, ended = peak("e0", 0)
            await deliver_in_turn(database, opened, ended, structs.replace(opened, revision=3, change=Change.UPDATED))
    assert [reason for *_, reason in fetch_rows(database, REASONS)] == ["routed", "routed", "reopened"]
    subject, text = subject_and_text(server.received[2])
    assert subject.startswith("Toch niet voorbij: Piek PM2,5")
    assert "Wij meldden dat deze piek voorbij was. De piek gaat door." in text


async def test_an_end_is_corrected_only_if_its_figures_change(database, settings):
    with MailServer() as server:
        async with run_dispatchers(settings(mail=server, calm_minutes=0), database):
            opened, ended = peak("e0", 0)
            same = structs.replace(ended, revision=3, confidence=0.5)
            higher = structs.replace(ended, revision=4, peak=99.0)
            await deliver_in_turn(database, opened, ended, same, higher)
    assert [(revision, reason) for _, revision, reason in fetch_rows(database, REASONS)] == [
        (1, "routed"), (2, "routed"), (4, "corrected"),
    ]  # fmt: skip
    assert subject_and_text(server.received[2])[0].startswith("Verbetering: Piek voorbij: PM2,5")


async def test_a_voided_peak_of_a_closed_plume_is_corrected_to_the_receivers_of_the_plume(database, settings):
    with MailServer() as server:
        async with run_dispatchers(settings(mail=server, calm_minutes=5), database):
            other, other_ended = peak("e1", 3, peak=120.0, excess=111.6)
            await deliver_in_turn(database, *peak("e0", 0), other, other_ended)
            change(database, CALM)
            await wait_until(lambda: len(server.received) == 2)
            assert "120 µg/m³" in subject_and_text(server.received[1])[0]
            await deliver_in_turn(database, structs.replace(other, revision=3, change=Change.VOIDED))
            await wait_until(lambda: len(server.received) == 3)
    assert subject_and_text(server.received[2])[0].startswith("Correctie: geen piek PM2,5")
    assert fetch_rows(database, "SELECT summary ->> 'event_count', summary ->> 'peak' FROM alerting.plume") == [
        ("1", "84.0"),
    ]


async def test_after_a_correction_the_remaining_peak_is_notified(database, settings):
    pm10 = {"observed_property": "pm10", "property_name": {"nl": "PM10", "en": "PM10"}, "severity": Severity.MODERATE}
    with MailServer() as server:
        async with run_dispatchers(settings(mail=server, calm_minutes=5), database):
            opened, _ = peak("e0", 0)
            other, _ = peak("e1", 1, **pm10)
            await deliver_in_turn(database, opened, other, structs.replace(opened, revision=2, change=Change.VOIDED))
            await wait_until(lambda: len(server.received) == 3)
    assert [subject_and_text(mail)[0].partition(" bij ")[0] for mail in server.received] == [
        "Piek PM2,5", "Correctie: geen piek PM2,5", "Wel een piek: Piek PM10",
    ]  # fmt: skip
    assert fetch_rows(database, "SELECT event_id FROM alerting.watch") == [("e1",)]


LATE_ONLY = [Route(receiver="od", least_severity=Severity.SEVERE, least_confidence=0.8)]


@pytest.mark.parametrize("late", [True, False])
@pytest.mark.parametrize(
    ("facts", "is_told"),
    [({}, True), ({"severity": Severity.MODERATE}, False), ({"confidence": 0.7}, False)],
)
async def test_a_peak_that_was_over_when_it_was_detected_is_in_the_digest(database, settings, late, facts, is_told):
    with MailServer() as server:
        chosen = settings(mail=server, digest_at="00:00", route=LATE_ONLY)
        async with run_dispatchers(chosen, database):
            await wait_until_present(database, "SELECT 1 FROM alerting.digest")
            await deliver_in_turn(database, make_ended_alert(1, detected_late=late, **facts))
            assert server.received == []
            change(database, "DELETE FROM alerting.digest")
            await wait_until_present(database, "SELECT 1 FROM alerting.digest")
            await wait_until_delivered(database)
    assert len(server.received) == is_told
    if is_told:
        subject, text = subject_and_text(server.received[0])
        assert subject == "Dagoverzicht: 1 achteraf gevonden"
        assert (
            "Piek voorbij: PM2,5 bij Wijk aan Zee: 84,0 µg/m³ (10× achtergrond), losse meting (achteraf gevonden)"
            in text
        )


async def test_a_voided_late_peak_is_in_no_digest_and_is_corrected_after_a_digest(database, settings):
    with MailServer() as server:
        chosen = settings(mail=server, digest_at="00:00")
        async with run_dispatchers(chosen, database):
            await wait_until_present(database, "SELECT 1 FROM alerting.digest")
            first, second, third = (make_ended_alert(1, event_id=f"e{n}", detected_late=True) for n in range(3))
            await deliver_in_turn(database, first, second, third)
            await deliver_in_turn(database, structs.replace(third, revision=2, change=Change.VOIDED))
            change(database, "DELETE FROM alerting.digest")
            await wait_until(lambda: len(server.received) == 1)
            await deliver_in_turn(database, structs.replace(second, revision=2, change=Change.VOIDED))
            await wait_until(lambda: len(server.received) == 2)
    assert subject_and_text(server.received[0])[0] == "Dagoverzicht: 2 achteraf gevonden"
    assert subject_and_text(server.received[1])[0].startswith("Correctie: geen piek")


FACTS = st.tuples(
    st.integers(0, 100), st.integers(0, 100), st.sampled_from(list(Severity)), st.floats(1, 1000), st.sampled_from("ab")
)


@given(st.lists(FACTS, min_size=1, max_size=6))
def test_a_summary_covers_every_event_and_has_the_worst(facts):
    alerts = [
        make_ended_alert(
            event_id=str(n), onset=ONSET + timedelta(minutes=start), end=ONSET + timedelta(minutes=start + lasts),
            severity=severity, peak=height, excess=height, station=station,
        )
        for n, (start, lasts, severity, height, station) in enumerate(facts)
    ]  # fmt: skip
    plume = summarize_plume(alerts)
    assert all(plume.first_onset <= alert.onset and alert.end <= plume.last_end for alert in alerts)
    assert plume.severity is max((alert.severity for alert in alerts), key=lambda severity: severity.rank)
    assert plume.peak == max(alert.peak for alert in alerts if alert.severity is plume.severity)
    assert (plume.event_count, plume.station_count) == (len(alerts), len({alert.station for alert in alerts}))


def test_an_end_is_late_only_if_no_earlier_revision_could_notify():
    ended = make_ended_alert()
    assert compare_revisions(ended, []).is_found_over
    assert not compare_revisions(ended, [make_alert()]).is_found_over
    assert compare_revisions(structs.replace(ended, detected_late=True), [make_alert()]).is_found_over
    assert compare_revisions(ended, [make_alert(severity=Severity.MINOR)]).rose_at_end
