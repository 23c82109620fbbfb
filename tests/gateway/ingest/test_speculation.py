"""What is worked out ahead of the database's answer is used where it holds, and changes nothing where it does not."""

import asyncio
from contextlib import closing

import psycopg
import pytest
from prometheus_client import REGISTRY

from gateway.decoding.process import Decoder
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.ingest.pipeline import Pipeline
from gateway.quality.flagger import Flagger
from gateway.store.connection import Store
from tests.gateway.decoding.test_process import begin
from tests.gateway.enrolled_node import T0, enrol_node
from tests.gateway.ingest.test_pipeline import plume, rows

FACTS = "SELECT id, revision, change, onset, peak_at, ended_at, peak, background, confidence, state_hash FROM event"
STATES = "SELECT component, state FROM node_state ORDER BY component"


@pytest.fixture(params=["in this process", "in another"])
async def pipeline(database, request):
    store = Store(database, name="looks ahead")
    with closing(Decoder(min_payloads=1)) as decoder:
        if request.param == "in another":
            begin(decoder)
        yield Pipeline(store, Flagger(), Detector(DetectionSettings()), decoder if decoder.has_used_helper else None)
    await store.close()


async def look_ahead(pipeline, groups, disturb=lambda _: None):
    """As ingest does it: while one micro-batch is committed the next is worked out; a failure is tried again."""
    speculation = await pipeline.speculate(groups[0])
    for number, group in enumerate(groups):
        after = asyncio.create_task(pipeline.speculate(([*groups, []])[number + 1], previous=speculation))
        disturb(number)
        try:
            await pipeline.process(group, (), speculation)
        except psycopg.OperationalError:
            await pipeline.process(group, (), speculation)
        speculation = await after


def micro_batches(node):
    """One payload each; some come again in the next, and a property that nobody sent before comes in between."""
    payloads = plume(node)
    payloads[60] = node.payload(61, t0=T0 + 60_000, dt=[0], values={"pm2_5": [8.0], "pm10": [12.0]})
    return [[payload, *payloads[n - 1 : n][: n % 5 == 2]] for n, payload in enumerate(payloads)]


async def test_looking_ahead_finds_what_one_after_the_other_finds_whatever_comes_between(
    postgres, database, node, pipeline
):
    other = postgres.create_database(database.rpartition("=")[2] + "plain", template="migrated")
    store = Store(other)
    plain = Pipeline(store, Flagger(), Detector(DetectionSettings()))
    for group in micro_batches(enrol_node(other)):
        await plain.process(group)
    await store.close()

    def disturb(number):
        with psycopg.connect(database, autocommit=True) as connection:
            if number % 7 == 3:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'looks ahead'"
                )
            if number % 11 == 5:
                connection.execute("UPDATE station SET name = name || '!'")

    await look_ahead(pipeline, micro_batches(node), disturb)
    assert rows(database, FACTS) == rows(other, FACTS) != []
    assert rows(database, STATES) == rows(other, STATES) != []


async def test_nothing_is_examined_twice_where_nothing_comes_between(database, node, pipeline):
    def examined():
        return REGISTRY.get_sample_value("piekwacht_detect_seconds_count")

    before = examined()
    await look_ahead(pipeline, [[payload] for payload in plume(node)])
    assert examined() - before == 80 + 1  # and the empty one at the end
    assert rows(database, FACTS) != []


async def test_a_payload_that_comes_twice_in_one_micro_batch_is_stored_once(database, node, pipeline):
    first, second = plume(node)[:2]
    await pipeline.process([first])
    group = [second, first, second]
    await pipeline.process(group, (), await pipeline.speculate(group))
    assert rows(database, "SELECT count(*), count(DISTINCT (datastream_id, observed_at)) FROM observation") == [(2, 2)]
