"""One recording through a replaying node and the gateway's pipeline, and through backtest: equal flags and events."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta

import psycopg
from msgspec import json
from psycopg.rows import dict_row

from edge_agent.batch_builder import build_batch
from edge_agent.sensors.replay import ReplaySettings
from edge_agent.wire import Topic, TopicKind
from gateway.decoding.decode import Payload
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.evaluation import backtest
from gateway.ingest.pipeline import Pipeline
from gateway.model.event import Event
from gateway.quality.flagger import Flagger
from gateway.store.connection import Store
from tests.gateway.enrolled_node import T0

STATION = "wijk-aan-zee"


def write_recording(path):
    """Two hours: a peak with wind, flagged readings, numbers that mean a fault, humid air, a value that sticks."""
    lines = ["station,property,time,value,flags"]
    for i in range(720):
        value, flags = 8 + 0.1 * (i % 3) + (60 if 400 <= i < 440 else 0), ""
        if 200 <= i < 212:
            value = 65535
        elif 250 <= i < 260:
            value, flags = 400, "maintenance"
        elif 300 <= i < 305:
            value, flags = "", "sensor_fault"
        elif i >= 640:
            value = 7.5
        at = T0 // 1000 + 10 * i
        lines.append(f"{STATION},pm2_5,{at},{value},{flags}")
        lines.append(f"{STATION},humidity,{at},{90 if 500 <= i < 520 else 60},")
        lines.append(f"{STATION},wind_direction,{at},{990 if 405 <= i < 415 else 270},")
        lines.append(f"{STATION},wind_speed,{at},3.5,{'stale' if 415 <= i < 420 else ''}")
    path.write_text("\n".join(lines))
    return path


def replay(path, node, readings_per_batch=30):
    """The signed batches of a node that replays the file."""
    sensor = ReplaySettings(file=path, station=STATION, speed=0).create_sensor()
    readings = list(sensor.readings(threading.Event()))
    topic = str(Topic(area=node.area, node=node.id, kind=TopicKind.READINGS))
    for seq, begin in enumerate(range(0, len(readings), readings_per_batch), start=1):
        part = readings[begin : begin + readings_per_batch]
        batch = build_batch(part, node=node.id, inc=node.inc, seq=seq, hist=False)
        received_at = datetime.fromtimestamp(part[-1].observed_at / 1000, UTC) + timedelta(seconds=1)
        yield Payload(topic=topic, body=node.signer.sign(batch.encode()), received_at=received_at)


async def store(dsn, payloads):
    database = Store(dsn)
    pipeline = Pipeline(database, Flagger(), Detector(DetectionSettings()))
    for payload in payloads:
        await pipeline.process([payload])
    await database.close()


def stored_rows(dsn):
    """{(property, ms): (value, flags)} of the database."""
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        rows = connection.execute(
            """SELECT d.property_id AS property, (extract(epoch FROM o.observed_at) * 1000)::bigint AS at,
                      o.value, o.flags
               FROM observation o JOIN datastream d ON d.id = o.datastream_id"""
        ).fetchall()
    return {(row["property"], row["at"]): (row["value"], row["flags"]) for row in rows}


def stored_events(dsn):
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        rows = connection.execute("SELECT body::text AS body FROM event_revision").fetchall()
    return [json.decode(row["body"], type=Event) for row in rows]


def essence(events):
    """What two runs must agree on; ids and names of stations follow from the registry."""
    return sorted(
        (e.onset, e.revision, e.kind, e.change, e.peak, e.peak_at, e.end, e.background, e.confidence, e.reasons, e.wind)
        for e in events
    )


def test_live_and_backtest_give_the_same_flags_and_the_same_events(database, node, tmp_path):
    path = write_recording(tmp_path / "recording.csv")
    asyncio.run(store(database, replay(path, node)))
    registry, rows, events = backtest.analyze_values(backtest.read_recording(path).values, DetectionSettings())
    properties = [d.observed_property for d in registry.datastreams]
    recorded = {
        (properties[slot], at): (None if value != value else value, flags)  # noqa: PLR0124 - NaN
        for slot, at, value, flags in zip(
            rows.datastream.tolist(), rows.observed_at.tolist(), rows.value.tolist(), rows.flags.tolist(), strict=True
        )
    }
    stored = stored_rows(database)
    assert recorded.keys() == stored.keys()
    assert [(key, recorded[key], stored[key]) for key in stored if recorded[key] != stored[key]] == []
    assert {"peak", "sensor"} <= {event.kind.value for event in events}
    assert essence(events) == essence(stored_events(database))
