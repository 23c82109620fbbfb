"""An outcome computed ahead of the database's answer is used if it holds, and changes no result if it does not."""

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
from tests.gateway.decoding.test_process import wait_for_helper
from tests.gateway.enrolled_node import T0, enrol_node
from tests.gateway.ingest.test_pipeline import plume, rows

FACTS = "SELECT id, revision, change, onset, peak_at, ended_at, peak, background, confidence, state_hash FROM event"
STATES = "SELECT component, state FROM node_state ORDER BY component"


@pytest.fixture(params=["in this process", "in another"])
async def pipeline(database, request):
    store = Store(database, name="looks ahead")
    with closing(Decoder(min_payloads=1)) as decoder:
        if request.param == "in another":
            wait_for_helper(decoder)
        yield Pipeline(store, Flagger(), Detector(DetectionSettings()), decoder if decoder.has_used_helper else None)
    await store.close()


async def process_speculatively(pipeline, batches, disturb=lambda _: None):
    """Process as the session does: speculate on the next micro-batch during a commit; repeat a failed commit."""
    speculation = await pipeline.speculate(batches[0])
    for number, payloads in enumerate(batches):
        next_speculation = asyncio.create_task(pipeline.speculate(([*batches, []])[number + 1], previous=speculation))
        disturb(number)
        try:
            await pipeline.process(payloads, (), speculation)
        except psycopg.OperationalError:
            await pipeline.process(payloads, (), speculation)
        speculation = await next_speculation


def micro_batches(node):
    """Micro-batches of one payload; some payloads come twice, and one of them has a new property."""
    payloads = plume(node)
    payloads[60] = node.payload(61, t0=T0 + 60_000, dt=[0], values={"pm2_5": [8.0], "pm10": [12.0]})
    return [[payload, *payloads[n - 1 : n][: n % 5 == 2]] for n, payload in enumerate(payloads)]


async def test_speculation_gives_the_same_events_and_states_whatever_disturbs_it(postgres, database, node, pipeline):
    other = postgres.create_database(database.rpartition("=")[2] + "plain", template="migrated")
    store = Store(other)
    plain = Pipeline(store, Flagger(), Detector(DetectionSettings()))
    for payloads in micro_batches(enrol_node(other)):
        await plain.process(payloads)
    await store.close()

    def disturb(number):
        with psycopg.connect(database, autocommit=True) as connection:
            if number % 7 == 3:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'looks ahead'"
                )
            if number % 11 == 5:
                connection.execute("UPDATE station SET name = name || '!'")

    await process_speculatively(pipeline, micro_batches(node), disturb)
    assert rows(database, FACTS) == rows(other, FACTS) != []
    assert rows(database, STATES) == rows(other, STATES) != []


async def test_nothing_is_analysed_twice_if_nothing_disturbs_it(database, node, pipeline):
    def count_analyses():
        return REGISTRY.get_sample_value("piekwacht_detect_seconds_count")

    before = count_analyses()
    await process_speculatively(pipeline, [[payload] for payload in plume(node)])
    assert count_analyses() - before == 80 + 1  # and the empty one at the end
    assert rows(database, FACTS) != []


async def test_a_payload_that_comes_twice_in_one_micro_batch_is_stored_once(database, node, pipeline):
    first, second = plume(node)[:2]
    await pipeline.process([first])
    payloads = [second, first, second]
    await pipeline.process(payloads, (), await pipeline.speculate(payloads))
    assert rows(database, "SELECT count(*), count(DISTINCT (datastream_id, observed_at)) FROM observation") == [(2, 2)]


async def test_a_speculation_from_the_state_of_a_failed_transaction_does_not_hold(postgres, database, node, pipeline):
    first, rejected, last = plume(node)[:3]
    await pipeline.process([first])
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("ALTER TABLE batch ADD CHECK (seq <> 2)")
    speculation = await pipeline.speculate([rejected])
    next_speculation = asyncio.create_task(pipeline.speculate([last], previous=speculation))
    with pytest.raises(psycopg.errors.CheckViolation):
        await pipeline.process([rejected], (), speculation)
    await pipeline.process([last], (), await next_speculation)

    other = postgres.create_database(database.rpartition("=")[2] + "plain", template="migrated")
    store = Store(other)
    plain = Pipeline(store, Flagger(), Detector(DetectionSettings()))
    first, _, last = plume(enrol_node(other))[:3]
    for payload in (first, last):
        await plain.process([payload])
    await store.close()
    assert rows(database, STATES) == rows(other, STATES) != []
