"""Ingest over a real broker: nothing is acknowledged before COMMIT, and nothing blocks later messages."""

import asyncio
import time
from contextlib import asynccontextmanager, suppress

import psycopg
import pytest
from prometheus_client import REGISTRY

from edge_agent.wire import Signer, StoredRanges, Topic, TopicKind, digest_payload
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.detection.warm_up import warm_up_kernels
from gateway.errors import StartError
from gateway.ingest.consumer import IngestConsumer
from gateway.ingest.pipeline import Pipeline
from gateway.ingest.settings import IngestSettings
from gateway.live.message import decode_live_message as decode_live
from gateway.mqtt.client import create_client
from gateway.quality.flagger import Flagger
from gateway.store.connection import Store
from gateway.system.child_process import find_free_port

KEY = Signer.generate("gateway.ijmond")


@pytest.fixture(scope="module", autouse=True)
def warm_kernels():
    """Warm up, as the gateway does before it subscribes."""
    warm_up_kernels(Flagger(), Detector(DetectionSettings()))


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "gateway.key").write_text(KEY.export())
    return IngestSettings(key_file=tmp_path / "gateway.key", window_seconds=0.01, retry_seconds=0.1, hold_seconds=0.3)


@asynccontextmanager
async def run_consumer(settings, broker, dsn):
    """Run ingest for the length of the block."""
    store = Store(dsn)
    task = asyncio.create_task(
        IngestConsumer(settings, broker, Pipeline(store, Flagger(), Detector(DetectionSettings()))).run()
    )
    try:
        until = time.monotonic() + 5.0
        while not (REGISTRY.get_sample_value("piekwacht_ingest_connected") or task.done() or time.monotonic() > until):
            await asyncio.sleep(0.02)
        if task.done():
            await task
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await store.close()


async def publish(broker, *payloads):
    async with create_client(broker, "node-under-test") as connection:
        for payload in payloads:
            await connection.publish(payload.topic, payload.body, qos=1)


async def wait_for_batches(dsn, count, *, within=30.0):
    """Wait until `count` batches are stored or time is up; return their sequence numbers."""
    deadline = time.monotonic() + within
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        while True:
            rows = await (await connection.execute("SELECT seq FROM batch ORDER BY seq")).fetchall()
            if len(rows) >= count or time.monotonic() > deadline:
                return [row[0] for row in rows]
            await asyncio.sleep(0.02)


async def test_stored_ranges_are_published_signed_and_retained(each_broker, database, node, settings):
    async with run_consumer(settings, each_broker, database):
        await publish(each_broker, node.payload(1), node.payload(2), node.payload(4))
        assert await wait_for_batches(database, 3) == [1, 2, 4]
        await asyncio.sleep(0.2)
    topic = str(Topic(area="ijmond", node=node.id, kind=TopicKind.STORED))
    async with create_client(each_broker, "late-listener") as connection:
        await connection.subscribe(topic, qos=1)
        message = await asyncio.wait_for(anext(connection.messages), 5)
    assert message.retain
    ranges = StoredRanges.decode(KEY.verifier.open(message.payload))
    assert (ranges.node, ranges.inc, ranges.ranges) == (node.id, node.inc, [(1, 2), (4, 4)])
    answered = dict(ranges.hashes)
    assert answered.items() <= {seq: digest_payload(node.payload(seq).body) for seq in (1, 2, 4)}.items()
    assert 4 in answered


async def test_malformed_payloads_are_quarantined_and_the_next_valid_one_is_stored_within_a_second(
    each_broker, database, node, settings
):
    unknown_node = type(node)(signer=Signer.generate("nobody-1"))
    good = node.payload(1)
    malformed = [
        type(good)(topic=good.topic, body=body, received_at=good.received_at)
        for body in (b"", b"\xff\xfe", good.body[:-40], good.body.replace(b"12.1", b"66.6"), b"[" * 50_000)
    ]
    async with run_consumer(settings, each_broker, database):
        await publish(each_broker, *malformed, unknown_node.payload(1), good)
        assert await wait_for_batches(database, 1, within=1.0) == [1]
        with psycopg.connect(database) as connection:
            reasons = [row[0] for row in connection.execute("SELECT reason FROM quarantine ORDER BY id")]
    assert sorted(reasons) == ["forged", "malformed", "unknown_node", "unsigned", "unsigned", "unsigned"]


async def test_messages_that_a_stopped_gateway_had_not_committed_are_delivered_again(
    each_broker, database, node, settings
):
    async with run_consumer(settings, each_broker, database):
        await publish(each_broker, node.payload(1))
        assert await wait_for_batches(database, 1) == [1]
    await publish(each_broker, *(node.payload(seq) for seq in range(2, 30)))  # no gateway runs
    async with run_consumer(settings, each_broker, database):
        assert await wait_for_batches(database, 29) == list(range(1, 30))


async def test_received_messages_that_were_never_committed_are_not_acknowledged(
    each_broker, database, node, settings, postgres
):
    name = database.rpartition("=")[2]
    with psycopg.connect(postgres.dsn(), autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        async with run_consumer(settings, each_broker, database):
            await publish(each_broker, *(node.payload(seq) for seq in range(1, 6)))
            await asyncio.sleep(0.5)  # it holds the messages and cannot commit; then it stops
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    async with run_consumer(settings, each_broker, database):
        # NATS delivers again after its ack_wait
        assert await wait_for_batches(database, 5, within=20) == [1, 2, 3, 4, 5]


async def test_a_database_outage_loses_nothing_and_ingest_recovers(broker, database, node, settings, postgres):
    name = database.rpartition("=")[2]

    def allow(connections):
        with psycopg.connect(postgres.dsn(), autocommit=True) as admin:
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {connections}")
            if not connections:
                admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])

    async with run_consumer(settings, broker, database):
        await publish(broker, node.payload(1))
        assert await wait_for_batches(database, 1) == [1]
        allow(False)
        await publish(broker, *(node.payload(seq) for seq in range(2, 10)))
        await asyncio.sleep(0.5)
        allow(True)
        began = time.monotonic()
        assert await wait_for_batches(database, 9) == list(range(1, 10))
        assert time.monotonic() - began < 5


@pytest.mark.parametrize("refused", ["batch ADD CHECK (seq <> 2)", "ledger ADD CHECK (NOT received @> 2::bigint)"])
async def test_a_payload_that_the_database_rejects_does_not_affect_the_others(
    broker, database, node, settings, refused
):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"ALTER TABLE {refused}")
    async with run_consumer(settings, broker, database):
        await publish(broker, node.payload(1), node.payload(2), node.payload(3))
        assert await wait_for_batches(database, 2) == [1, 3]
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT reason FROM quarantine").fetchall() == [("unstorable",)]


async def test_live_messages_are_published_after_commit(broker, database, node, settings):
    async with create_client(broker, "viewer") as viewer:
        await viewer.subscribe("pw/v1/ijmond/live")
        async with run_consumer(settings, broker, database):
            await publish(broker, node.payload(1))
            message = decode_live((await asyncio.wait_for(anext(viewer.messages), 5)).payload)
            assert await wait_for_batches(database, 1, within=0) == [1]
    newest = {o.observed_property: o.value for o in message.observations}
    assert newest == {"pm2_5": 12.3, "humidity": 61.0}


async def test_status_and_health_are_stored_and_malformed_ones_ignored(broker, database, node, settings):
    async with run_consumer(settings, broker, database):
        async with create_client(broker, "node-under-test") as connection:
            for kind, body in (
                ("status", b'{"online":true,"agent":"0.1.0"}'),
                ("health", b'{"disk":0.5,"nul":"\\u0000"}'),
                ("health", b"\xff not json"),
            ):
                await connection.publish(f"pw/v1/ijmond/{node.id}/{kind}", body, qos=1)
        await publish(broker, node.payload(1))
        await wait_for_batches(database, 1)
    with psycopg.connect(database) as connection:
        row = connection.execute("SELECT online, status ->> 'agent', health ->> 'disk' FROM node_status").fetchone()
    assert row == (True, "0.1.0", "0.5")


async def test_a_missing_broker_at_the_start_is_an_error_in_one_sentence(broker, database, settings):
    missing_broker = type(broker)(host="127.0.0.1", port=find_free_port())
    with pytest.raises(StartError, match="no broker at mqtt://127"):
        async with run_consumer(settings, missing_broker, database):
            pass


async def test_ingest_waits_for_a_broker_that_stops_later(tmp_path, database, node, settings):
    from gateway.system.embedded_servers import Broker  # noqa: PLC0415

    with Broker(tmp_path / "b") as first:
        place = first.settings
        async with run_consumer(settings, place, database) as task:
            first.stop()
            await asyncio.sleep(0.5)
            assert not task.done()
            with Broker(tmp_path / "b", port=place.port):
                await asyncio.sleep(0.5)
                await publish(place, node.payload(1))
                assert await wait_for_batches(database, 1) == [1]
