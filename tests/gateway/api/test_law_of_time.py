"""The law of validity for time: stamps ahead of the clock and readings that arrive late change no published number."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib.resources import files

import psycopg

from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.ingest.pipeline import Pipeline
from gateway.quality.flagger import Flagger
from gateway.store.connection import Store
from tests.gateway.api.conftest import running_api
from tests.gateway.api.test_validity_law import (
    ABSURD,
    SECONDS,
    assert_same_numbers,
    build_payloads,
    published,
    recent_start,
)
from tests.gateway.enrolled_node import enrol_node

HOUR_MS = 3_600_000


@asynccontextmanager
async def published_payloads(dsn, broker, payloads):
    """A client of an API after these payloads were ingested in this order."""
    store = Store(dsn)
    pipeline = Pipeline(store, Flagger(), Detector(DetectionSettings()))
    for payload in payloads:
        await pipeline.process([payload])
    await store.close()
    async with running_api(dsn, broker) as (client, _):
        yield client


async def test_a_batch_stamped_an_hour_ahead_changes_no_number(database, clean_database, broker):
    start, node = recent_start(), enrol_node(database)
    values = {name: [ABSURD] for name in ("pm2_5", "humidity", "wind_direction", "wind_speed")}
    ahead = node.payload(
        SECONDS + 10,
        t0=start + HOUR_MS,
        dt=[0],
        values=values,
        received_at=datetime.fromtimestamp(start / 1000 + SECONDS, UTC),
    )
    payloads = [*build_payloads(node, start, ABSURD, None), ahead]
    async with (
        published(clean_database, broker, start, None) as clean,
        published_payloads(database, broker, payloads) as other,
    ):
        await assert_same_numbers(clean, other)


async def test_a_batch_ahead_that_an_earlier_version_believed_changes_no_number_after_the_migration(
    database,
    clean_database,
    broker,
):
    start, node = recent_start(), enrol_node(database)
    values = {name: [ABSURD] for name in ("pm2_5", "humidity", "wind_direction", "wind_speed")}
    arrival = datetime.fromtimestamp(start / 1000 + HOUR_MS / 1000, UTC)
    ahead = node.payload(SECONDS + 10, t0=start + HOUR_MS, dt=[0], values=values, received_at=arrival)
    store = Store(database)
    pipeline = Pipeline(store, Flagger(), Detector(DetectionSettings()))
    for payload in build_payloads(node, start, ABSURD, None):
        await pipeline.process([payload])
    await pipeline.process([ahead])  # believed, because it seems to arrive when it was stamped
    await store.close()
    with psycopg.connect(database) as connection:
        connection.execute(
            "UPDATE batch SET received_at = received_at - interval '1 hour' WHERE seq = %s", [SECONDS + 10]
        )
        connection.execute((files("gateway.store") / "migrations" / "0140_ahead_of_arrival.sql").read_bytes())
        doubts = connection.execute("SELECT doubt, last_at FROM clock_suspect").fetchall()
    assert doubts == [("ahead", arrival)]
    async with (
        published(clean_database, broker, start, None) as clean,
        running_api(database, broker) as (other, _),
    ):
        await assert_same_numbers(clean, other)


async def test_batches_that_arrive_late_give_the_same_numbers(database, clean_database, broker):
    """Twenty seconds of clean air are held back, and come after everything else."""
    start = recent_start()
    in_order = list(build_payloads(enrol_node(clean_database), start, ABSURD, None))
    payloads = list(build_payloads(enrol_node(database), start, ABSURD, None))
    late = [payloads.pop(20), payloads.pop(20)]
    async with (
        published_payloads(clean_database, broker, in_order) as clean,
        published_payloads(database, broker, [*payloads, *late]) as other,
    ):
        await assert_same_numbers(clean, other)
