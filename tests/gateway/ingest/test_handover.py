"""At an upgrade or with other settings the detector continues, and no event of the one before stays open."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psycopg
import pytest
from msgspec.json import decode

from gateway.detection.detector import Detector
from gateway.detection.handover import adopt_states, last_reading_at
from gateway.detection.settings import DetectionSettings, PeakSettings
from gateway.ingest.pipeline import Pipeline
from gateway.model.event import Event
from gateway.model.timestamps import from_ms
from gateway.quality.flagger import Flagger
from gateway.store.connection import Store
from tests.gateway.enrolled_node import T0
from tests.laws import build_registry

# The state and the event of former versions after 49 seconds of `reading`, as those versions wrote them.
FORMER_VERSIONS = {n: json.loads(Path(__file__).with_name(f"detector_{n}.json").read_text()) for n in (5, 6, 7)}
FORMER = FORMER_VERSIONS[5]
STATE_5 = base64.b64decode(FORMER["state"])
OTHER_SETTINGS = DetectionSettings(property={"pm2_5": PeakSettings(smallest=0.7)})


def reading(node, second):
    """One reading: clean air with a plume from 40 to 55 s."""
    value = 8.0 + 0.1 * (second % 3) + (90.0 if 40 <= second < 55 else 0.0)
    received = datetime.fromtimestamp(T0 / 1000 + second + 1, UTC)
    return node.payload(second, t0=T0 + second * 1000, dt=[0], values={"pm2_5": [value]}, received_at=received)


async def ingest(dsn, payloads, settings=None):
    """A gateway that starts, processes each payload in a transaction, does its maintenance, and stops."""
    store = Store(dsn)
    pipeline = Pipeline(store, Flagger(), Detector(settings or DetectionSettings()))
    messages = []
    for payload in payloads:
        await pipeline.process([payload])
        messages += await pipeline.end_silent_events()
    await store.close()
    return messages


def stored_events(dsn):
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            """SELECT r.body::text FROM event e JOIN event_revision r ON r.event_id = e.id AND r.revision = e.revision
               ORDER BY e.detector, e.onset"""
        ).fetchall()
    return [decode(row[0], type=Event) for row in rows]


def put_former(dsn, former):
    """Replace the detector's part of the database by what a former version left there."""
    event = former["events"][-1]
    with psycopg.connect(dsn, autocommit=True) as connection:
        (datastream,) = connection.execute("SELECT id FROM datastream WHERE property_id = 'pm2_5'").fetchone()
        connection.execute("DELETE FROM event_revision")
        connection.execute("DELETE FROM event")
        connection.execute("DELETE FROM node_state WHERE component <> 'quality'")
        connection.execute(
            "INSERT INTO node_state (node_id, component, datastreams, state) VALUES ('ijm-001', %s, %s, %s)",
            [former["detector"], [datastream], base64.b64decode(former["state"])],
        )
        connection.execute(
            """INSERT INTO event (id, revision, change, kind, datastream_id, area_id, station_id, property_id, severity,
                                  onset, peak_at, detected_at, peak, background, excess, noise, confidence, detector,
                                  reasons, detected_late)
               SELECT b->>'id', 1, 'opened', 'peak', %(datastream)s, 'ijmond', 'wijk-aan-zee', 'pm2_5', 'severe',
                      (b->>'onset')::timestamptz, (b->>'peak_at')::timestamptz, (b->>'detected_at')::timestamptz,
                      (b->>'peak')::float, (b->>'background')::float, (b->>'excess')::float, (b->>'noise')::float,
                      (b->>'confidence')::float, b->>'detector',
                      '{far_above_noise}', false
               FROM (SELECT %(body)s::jsonb AS b) AS s""",
            {"datastream": datastream, "body": json.dumps(event)},
        )
        connection.execute(
            "INSERT INTO event_revision (event_id, revision, body) VALUES (%s, 1, %s::jsonb)",
            [event["id"], json.dumps(event)],
        )


@pytest.mark.parametrize("version", FORMER_VERSIONS)
async def test_an_open_event_of_a_former_version_ends_and_its_plume_is_an_event_of_this_version(
    database, node, version
):
    await ingest(database, [reading(node, second) for second in range(1, 50)])
    put_former(database, FORMER_VERSIONS[version])
    messages = await ingest(database, [reading(node, second) for second in range(50, 90)])
    former, mine = stored_events(database)
    assert (former.detector, former.change.value) == (FORMER_VERSIONS[version]["detector"], "ended")
    assert former.revision == 2
    assert former.end == from_ms(T0 + 49_000)
    assert former.reasons[-1] == "detector_replaced"
    assert "de detector werd vervangen" in former.words["nl"]
    assert mine.detector == Detector(DetectionSettings()).name
    assert (mine.change.value, mine.onset, mine.end) == ("ended", former.onset, from_ms(T0 + 55_000))
    assert mine.peak == pytest.approx(98.2)
    assert mine.background == pytest.approx(8.1, abs=0.3)
    assert [live.event.id for message in messages for live in message.events] == [former.id]


async def test_other_settings_continue_the_states_and_end_the_open_event_once(database, node):
    await ingest(database, [reading(node, second) for second in range(1, 50)])
    for seconds in (range(50, 60), range(60, 90)):  # a restart with the same settings ends nothing again
        await ingest(database, [reading(node, second) for second in seconds], OTHER_SETTINGS)
    by_detector = {event.detector: event for event in stored_events(database)}
    former = by_detector[Detector(DetectionSettings()).name]
    mine = by_detector[Detector(OTHER_SETTINGS).name]
    assert (former.change.value, former.end) == ("ended", from_ms(T0 + 49_000))
    assert former.reasons.count("detector_replaced") == 1
    assert (mine.onset, mine.end) == (former.onset, from_ms(T0 + 55_000))


async def test_the_same_detector_ends_nothing_at_a_restart(database, node):
    await ingest(database, [reading(node, second) for second in range(1, 50)])
    await ingest(database, [reading(node, second) for second in range(50, 90)])
    (event,) = stored_events(database)
    assert "detector_replaced" not in event.reasons
    assert event.end == from_ms(T0 + 55_000)


def test_the_newest_state_of_all_detectors_counts_and_that_of_an_unknown_version_does_not():
    registry, detector = build_registry(1), Detector(DetectionSettings())
    assert adopt_states(detector.name, {FORMER["detector"]: {0: STATE_5}, "peak@4#0": {0: bytes(400)}}).keys() == {0}
    adopted = adopt_states(detector.name, {FORMER["detector"]: {0: STATE_5}})[0]
    states = detector.load(registry, {0: adopted})
    assert (states.streams["count"][0], states.streams["revision"][0]) == (49, 0)
    assert states.streams["background"][0] == pytest.approx(8.1, abs=0.1) or states.streams["background"][0] < 12
    assert last_reading_at(STATE_5) == from_ms(T0 + 49_000) == last_reading_at(adopted)
    older = bytes(detector.dump(detector.initial(registry), np.arange(1))[0])
    assert adopt_states(detector.name, {detector.name: {0: older}, FORMER["detector"]: {0: STATE_5}})[0] == adopted
    assert adopt_states(detector.name, {detector.name: {0: adopted}, FORMER["detector"]: {0: STATE_5}})[0] == adopted
    assert adopt_states(detector.name, {"peak@4#0": {0: bytes(400)}, "other": {0: STATE_5}}) == {}
