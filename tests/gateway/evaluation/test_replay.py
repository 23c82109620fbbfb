"""The same bytes give the same event: live, again on demand, and late where a gap was repaired."""

import asyncio
from datetime import UTC, datetime

import psycopg
import pytest
from msgspec import json

from edge_agent.wire import Signer
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.evaluation import replay
from gateway.ingest import late_data
from gateway.ingest.pipeline import Pipeline
from gateway.ingest.silence import ReadingClock
from gateway.model.event import Event, EventChange
from gateway.model.registry import Node
from gateway.operator.database import QUERIES
from gateway.quality.flagger import Flagger
from gateway.store import stations
from gateway.store.connection import Store
from tests.gateway.enrolled_node import T0, EnrolledNode, enrol_node


def batch(node, seq, *, hist=False):
    """A second of clean air with a plume from 40 to 55 s."""
    value = 8.0 + 0.1 * (seq % 3) + (90.0 if 40 <= seq < 55 else 0.0)
    at = T0 + seq * 1000
    received = datetime.fromtimestamp(T0 / 1000 + 500, UTC)
    return node.payload(seq, t0=at, dt=[0], values={"pm2_5": [value]}, received_at=received, hist=hist)


async def run(dsn, payloads):
    """Each payload in a transaction of its own."""
    store = Store(dsn)
    pipeline = Pipeline(store, Flagger(), Detector(DetectionSettings()))
    for payload in payloads:
        await pipeline.process([payload])
    await store.close()


def events(dsn):
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            """SELECT r.body::text FROM event e JOIN event_revision r ON r.event_id = e.id AND r.revision = e.revision
               WHERE kind = 'peak' ORDER BY e.onset"""
        ).fetchall()
    return [json.decode(row[0], type=Event) for row in rows]


def test_an_event_is_found_again_from_the_signed_bytes(database, node, capsys):
    asyncio.run(run(database, [batch(node, seq) for seq in range(1, 90)]))
    (event,) = events(database)
    assert replay.run(database, event.id) == 0
    assert capsys.readouterr().out.endswith("equal\n")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "UPDATE event_revision SET body = jsonb_set(body, '{peak}', '99.5') WHERE event_id = %s", [event.id]
        )
    assert replay.run(database, event.id) == 1
    assert capsys.readouterr().out.endswith("different\n")


async def test_an_event_with_a_restart_in_the_middle_of_it_is_found_again(database, node):
    payloads = [batch(node, seq) for seq in range(1, 90)]
    await run(database, payloads[:45])
    await run(database, payloads[45:])
    (event,) = events(database)
    stored, found = await replay._load_and_replay(database, event.id)
    assert replay._canonical_json(stored) == replay._canonical_json(found)


async def test_a_repaired_gap_holds_the_event_that_live_detection_would_have_found(
    postgres, node, database, monkeypatch
):
    await run(database, [batch(node, seq) for seq in range(1, 120)])
    (expected,) = events(database)
    other = postgres.create_database(database.rpartition("=")[2] + "gap", template="migrated")
    twin = enrol_node(other)
    live = [batch(twin, seq) for seq in (*range(1, 35), *range(70, 120))]
    late = [batch(twin, seq, hist=True) for seq in range(35, 70)]
    await run(other, [*live[:60], *late, *live[60:70]])
    assert events(other) == []  # more may come
    monkeypatch.setattr(late_data, "_GAP_QUIET_SECONDS", 0.0)
    await run(other, live[70:])
    (found,) = events(other)
    assert found.detected_late
    assert not expected.detected_late
    for name in ("id", "onset", "peak_at", "detected_at", "end", "peak", "background", "excess", "noise", "state_hash"):
        assert getattr(found, name) == getattr(expected, name)
    with psycopg.connect(other) as connection:
        assert connection.execute("SELECT count(*) FROM gap").fetchone() == (0,)
        told = connection.execute("SELECT alert->>'detected_late' FROM alerting.inbox").fetchall()
    assert set(told) <= {("true",)}


def batch_of_open_peak(node, seq, *, shift_ms=0, hist=False):
    """A second of clean air; from 40 s on a plume that goes on until 70 s."""
    value = 8.0 + 0.1 * (seq % 3) + (90.0 if 40 <= seq < 70 else 0.0)
    at = T0 + seq * 1000 + shift_ms
    received = datetime.fromtimestamp(T0 / 1000 + 20_000, UTC)
    return node.payload(seq, t0=at, dt=[0], values={"pm2_5": [value]}, received_at=received, hist=hist)


async def test_the_clock_ends_the_event_of_a_silent_station_and_the_revision_is_found_again(database, node):
    store, moment = Store(database), [0.0]
    pipeline = Pipeline(store, Flagger(), Detector(DetectionSettings()))
    pipeline._reading_clock = ReadingClock(lambda: moment[0])
    for seq in range(1, 55):
        await pipeline.process([batch_of_open_peak(node, seq)])
    assert await pipeline.end_silent_events() == []
    moment[0] += 16 * 60
    assert await pipeline.end_silent_events() == []  # two minutes are for delivery
    moment[0] += 2 * 60
    (message,) = await pipeline.end_silent_events()
    assert await pipeline.end_silent_events() == []
    (ended,) = events(database)
    assert message.events[0].event == ended
    assert (ended.change, ended.end) == (EventChange.ENDED, datetime.fromtimestamp(T0 / 1000 + 54, UTC))
    assert "no_data" in ended.reasons
    stored, found = await replay._load_and_replay(database, ended.id)
    assert replay._canonical_json(stored) == replay._canonical_json(found)
    for seq in range(55, 70):
        await pipeline.process([batch_of_open_peak(node, seq, shift_ms=3_600_000)])
    await store.close()
    assert events(database)[0] == ended, "the next reading adds nothing"


async def test_the_next_reading_ends_the_event_of_a_silent_station_as_the_clock_does(postgres, node, database):
    await run(database, [batch_of_open_peak(node, seq) for seq in range(1, 55)])
    await run(database, [batch_of_open_peak(node, seq, shift_ms=3_600_000) for seq in range(75, 77)])
    (by_reading,) = events(database)
    other = postgres.create_database(database.rpartition("=")[2] + "clock", template="migrated")
    twin, store, moment = enrol_node(other), Store(other), [0.0]
    pipeline = Pipeline(store, Flagger(), Detector(DetectionSettings()))
    pipeline._reading_clock = ReadingClock(lambda: moment[0])
    for seq in range(1, 55):
        await pipeline.process([batch_of_open_peak(twin, seq)])
    await pipeline.end_silent_events()
    moment[0] += 3600
    await pipeline.end_silent_events()
    await store.close()
    (by_clock,) = events(other)
    assert by_clock == by_reading


async def test_late_readings_tell_how_an_event_went_on_that_ended_without_data(postgres, node, database, monkeypatch):
    """Live: the station falls silent in the plume. Its backlog holds the rest of the plume."""
    all_live = [batch_of_open_peak(node, seq) for seq in range(1, 120)]
    await run(database, [*all_live, batch_of_open_peak(node, 120, shift_ms=3_600_000)])
    (expected,) = events(database)
    other = postgres.create_database(database.rpartition("=")[2] + "late", template="migrated")
    twin = enrol_node(other)
    await run(other, [batch_of_open_peak(twin, seq) for seq in range(1, 55)])
    await run(other, [batch_of_open_peak(twin, 120, shift_ms=3_600_000)])
    (early,) = events(other)
    assert "no_data" in early.reasons
    monkeypatch.setattr(late_data, "_GAP_QUIET_SECONDS", 0.0)
    await run(other, [batch_of_open_peak(twin, seq, hist=True) for seq in range(55, 120)])
    await run(other, [batch_of_open_peak(twin, 121, shift_ms=3_600_000)])
    (late,) = events(other)
    assert (late.id, late.detected_late) == (early.id, True)
    assert late.revision > early.revision
    assert "no_data" not in late.reasons
    for name in ("id", "onset", "peak_at", "detected_at", "end", "peak", "background", "excess", "noise", "confidence"):
        assert getattr(late, name) == getattr(expected, name)


async def test_what_was_tried_again_from_quarantine_is_as_late_in_a_replay_as_it_was_live(database, node):
    late = EnrolledNode(signer=Signer.generate("ijm-002"))
    store = Store(database)
    pipeline = Pipeline(store, Flagger(), Detector(DetectionSettings()))
    for seq in range(1, 48):
        await pipeline.process([batch(node, seq), batch(late, seq)])  # nobody knows the second one yet
    with psycopg.connect(database, autocommit=True) as connection:
        known = Node(id="ijm-002", area="ijmond", station="wijk-aan-zee", key=late.signer.verifier)
        stations.put_node(connection, known)
        connection.execute(
            QUERIES["request_replay"], {"ids": [], "reason": "unknown_node", "by": "test", "areas": None}
        )
    assert await pipeline.replay_quarantined() == 47
    for seq in range(48, 90):
        await pipeline.process([batch(node, seq)])
    await store.close()
    (event,) = events(database)
    stored, found = await replay._load_and_replay(database, event.id)
    assert replay._canonical_json(stored) == replay._canonical_json(found)


async def test_what_cannot_be_replayed_is_said_in_one_sentence(database, node):
    with pytest.raises(replay.RepetitionError, match="no event nosuchevent"):
        await replay._load_and_replay(database, "nosuchevent")
