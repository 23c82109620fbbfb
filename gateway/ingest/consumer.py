"""From the broker to the pipeline, acknowledged after COMMIT or not at all.

What is not committed is not acknowledged, stays with the broker and comes again. The queue here is
bounded; nothing is ever discarded.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn

import psycopg

from alerting.errors import one_line
from alerting.log import get_logger
from edge_agent.wire import DesiredConfig, MalformedError, Signer, StoredRanges, Topic, TopicKind, live_topic
from gateway import telemetry
from gateway.decoding.decode import Payload, RejectedPayload
from gateway.decoding.rejection import RejectionReason
from gateway.decoding.signature import make_sign_function
from gateway.errors import StartError
from gateway.ingest.desired_config import DesiredConfigTracker
from gateway.ingest.pipeline import REPORT_DELAY, CommitResult, Pipeline, Speculation
from gateway.ingest.settings import IngestSettings
from gateway.mqtt.connection import BrokerUnavailableError, MqttConnection, open_connection
from gateway.mqtt.packets import Message
from gateway.mqtt.settings import BrokerSettings
from gateway.store import nodes
from gateway.store.connection import LockHeldError

_LOG = get_logger("gateway.ingest")
_Publication = tuple[str, bytes]  # topic, what is published there


def derive_session_name(signer: Signer, areas: Sequence[str]) -> str:
    """Our session on the broker: the same after a restart, and not to be guessed by who would take it over."""
    key_hash = hashlib.sha256(signer.export().encode()).hexdigest()[:16]
    return "-".join(["piekwacht-gateway", *areas, key_hash])


class _DatabaseUnavailableError(Exception):  # never leaves this module
    pass


def _report_database_failure(error: psycopg.Error) -> None:
    telemetry.FAILURES.labels("database").inc()
    _LOG.warning("database unavailable", error=one_line(error))


@contextmanager
def _count_session() -> Iterator[None]:
    telemetry.CONNECTED_SESSIONS.inc()
    try:
        yield
    finally:
        telemetry.CONNECTED_SESSIONS.dec()


@dataclass(frozen=True, kw_only=True)
class MicroBatch:
    """A micro-batch, not yet acknowledged."""

    messages: Sequence[Message]
    payloads: Sequence[Payload]
    node_messages: Sequence[nodes.NodeMessage]
    speculation: Speculation


class IngestConsumer:
    """One broker session and one pipeline; comes back by itself when either side fails."""

    def __init__(
        self, settings: IngestSettings, broker: BrokerSettings, pipeline: Pipeline, *, wait_for_broker: bool = False
    ) -> None:
        self._settings, self._broker, self._pipeline = settings, broker, pipeline
        self._signer = settings.signer()
        self._sign = make_sign_function(self._signer.private.private_bytes_raw())
        self._maintenance_due = 0.0
        self._wait_for_broker = wait_for_broker  # whether the broker has ever answered

    async def run(self) -> None:
        """Until cancelled. StartError where the broker is not there at the start; later it is waited for.

        First the areas, then the broker: a second gateway for the same areas stands by without touching the
        session of the first, and continues it when that one dies or cannot reach its broker any more.
        """
        while True:
            try:
                await self._wait_for_areas()
                await self._run_session()
            except _DatabaseUnavailableError:
                await self._wait_for_database()
            except BrokerUnavailableError as error:
                await self._pipeline.release_areas()
                if not self._wait_for_broker:
                    raise StartError(f"no broker at {self._broker}: {error}; check [broker] host and port") from None
                telemetry.FAILURES.labels("broker").inc()
                _LOG.warning("broker unavailable", broker=str(self._broker), error=one_line(error))
            await asyncio.sleep(self._settings.retry_seconds)

    async def _run_session(self) -> None:
        name = derive_session_name(self._signer, self._settings.areas)
        async with open_connection(
            self._broker, name, max_waiting=_MAX_WAITING_BATCHES * self._settings.max_batches
        ) as connection:
            self._wait_for_broker = True
            areas = self._settings.areas or ["+"]
            await connection.subscribe([f"pw/v1/{area}/+/{kind}" for area in areas for kind in _SUBSCRIBED_KINDS])
            _LOG.info("ingest started", broker=str(self._broker))
            desired_configs = DesiredConfigTracker(self._settings.areas)
            publishing = asyncio.create_task(self._publish_results(connection, [], CommitResult()))
            try:
                with _count_session():
                    async with aclosing(self._iterate_micro_batches(connection)) as micro_batches:
                        async for micro_batch in micro_batches:
                            if micro_batch is not None:
                                committed = await self._commit(micro_batch)
                                await publishing  # one after the other: the newest ranges are the ones that stay
                                publishing = asyncio.create_task(
                                    self._publish_results(connection, micro_batch.messages, committed)
                                )
                            await self._run_maintenance(connection, desired_configs)
            finally:
                publishing.cancel()
                await asyncio.gather(publishing, return_exceptions=True)

    async def _run_maintenance(self, connection: MqttConnection, desired_configs: DesiredConfigTracker) -> None:
        """What operators want: nodes configured, payloads tried again. What fails waits for its next turn."""
        if time.monotonic() < self._maintenance_due:
            return
        self._maintenance_due = time.monotonic() + _MAINTENANCE_INTERVAL
        try:
            while await self._pipeline.replay_quarantined():
                _LOG.info("quarantined payloads replayed")
        except psycopg.Error as error:
            _report_database_failure(error)
        for desired, area in desired_configs.collect_changes(self._pipeline.nodes):
            topic, payload = self._sign_note(Topic(area=area, node=desired.node, kind=TopicKind.CONFIG), desired)
            await connection.publish(topic, payload, retain=True, at_least_once=True)

    async def _iterate_micro_batches(self, connection: MqttConnection) -> AsyncGenerator[MicroBatch | None, None]:
        """Micro-batches; while one is committed the next is gathered, verified and examined. None: idle."""
        queue: asyncio.Queue[MicroBatch] = asyncio.Queue(1)
        producer = asyncio.create_task(self._produce_micro_batches(connection, queue))
        try:
            while not producer.done():
                next_batch = asyncio.ensure_future(queue.get())
                await asyncio.wait(
                    {next_batch, producer}, timeout=_MAINTENANCE_INTERVAL, return_when=asyncio.FIRST_COMPLETED
                )
                if next_batch.done():
                    queue.task_done()
                    yield next_batch.result()
                else:
                    next_batch.cancel()
                    yield None
            await producer  # it raises: it never returns
        finally:
            producer.cancel()
            await asyncio.gather(producer, return_exceptions=True)

    async def _produce_micro_batches(self, connection: MqttConnection, queue: asyncio.Queue[MicroBatch]) -> NoReturn:
        speculation: Speculation | None = None
        while True:
            messages = await connection.receive(self._settings.max_batches, self._settings.window_seconds)
            telemetry.QUEUE.labels("ingest").set(len(connection))
            payloads, node_messages = _split_messages(messages)
            speculation = await self._pipeline.speculate(payloads, previous=speculation)
            await queue.put(
                MicroBatch(messages=messages, payloads=payloads, node_messages=node_messages, speculation=speculation)
            )
            if (
                len(connection) < self._settings.max_batches
            ):  # what comes now can still join the next one, and waits less
                await queue.join()

    async def _commit(self, micro_batch: MicroBatch) -> CommitResult:
        """Try until the database has it or patience ends; the ledger makes every repetition safe."""
        deadline = time.monotonic() + self._settings.patience_seconds
        while True:
            try:
                return await self._store_micro_batch(micro_batch)
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                _report_database_failure(error)
                if time.monotonic() > deadline:
                    raise _DatabaseUnavailableError from None
                await asyncio.sleep(self._settings.retry_seconds)

    async def _wait_for_areas(self) -> None:
        """Wait, without a word to the broker, while another gateway writes for our areas."""
        while True:
            try:
                return await self._pipeline.acquire_areas()
            except LockHeldError as error:
                if not self._wait_for_broker:
                    _LOG.info("standing by: another gateway holds the areas", error=one_line(error))
                self._wait_for_broker = True  # it has been here for a while: a broker that is away is waited for
            except (psycopg.OperationalError, psycopg.InterfaceError):
                return None  # what comes will have to wait, and the session says so
            await asyncio.sleep(self._settings.retry_seconds)

    async def _wait_for_database(self) -> None:
        """Wait, disconnected from the broker: who cannot store takes nothing in, and no queue grows here."""
        while True:
            try:
                return await self._pipeline.acquire_areas()
            except LockHeldError:
                return None
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                _report_database_failure(error)
                await asyncio.sleep(self._settings.retry_seconds)

    async def _store_micro_batch(self, micro_batch: MicroBatch) -> CommitResult:
        """All at once; where the database refuses the whole, each payload goes alone and only the culprit stays out."""
        try:
            return await self._pipeline.process(
                micro_batch.payloads, micro_batch.node_messages, micro_batch.speculation
            )
        except (psycopg.OperationalError, psycopg.InterfaceError):
            raise
        except psycopg.Error:
            _LOG.exception(
                "database rejected a micro-batch; storing payload by payload", payloads=len(micro_batch.payloads)
            )
        total = CommitResult()
        for payload in micro_batch.payloads:
            result = await self._store_payload(payload)
            total = CommitResult(
                stored_ranges=total.stored_ranges + result.stored_ranges,
                live_messages=total.live_messages + result.live_messages,
            )
        return total

    async def _store_payload(self, payload: Payload) -> CommitResult:
        try:
            return await self._pipeline.process([payload])
        except (psycopg.OperationalError, psycopg.InterfaceError):
            raise
        except psycopg.Error as error:
            detail = one_line(error)
            return await self._pipeline.quarantine_payload(
                RejectedPayload(payload=payload, reason=RejectionReason.UNSTORABLE, detail=detail)
            )

    async def _publish_results(
        self, connection: MqttConnection, messages: Sequence[Message], committed: CommitResult
    ) -> None:
        """Tell the broker and nodes what they may forget, and viewers what is new.

        Losing this loses nothing: all of them ask again.
        """
        await asyncio.sleep(REPORT_DELAY)
        await connection.acknowledge(messages)
        stored_ranges, live_messages = await asyncio.to_thread(self._encode_results, committed)
        await self._publish_stored_ranges(connection, stored_ranges)
        for topic, payload in live_messages:
            await connection.publish(topic, payload)

    async def _publish_stored_ranges(self, connection: MqttConnection, stored_ranges: Sequence[_Publication]) -> None:
        for topic, payload in stored_ranges:
            await connection.publish(topic, payload, retain=True, at_least_once=True)

    def _encode_results(self, committed: CommitResult) -> tuple[list[_Publication], list[_Publication]]:
        """Signed for nodes, and for viewers."""
        ranges_by_node = [(self._pipeline.nodes.get(ranges.node), ranges) for ranges in committed.stored_ranges]
        stored_ranges = [
            self._sign_note(Topic(area=node.area, node=node.id, kind=TopicKind.STORED), ranges)
            for node, ranges in ranges_by_node
            if node
        ]
        return stored_ranges, [(live_topic(live.area), live.encode()) for live in committed.live_messages]

    def _sign_note(self, topic: Topic, note: StoredRanges | DesiredConfig) -> _Publication:
        return str(topic), self._signer.sign(note.encode(), self._sign)


_MAINTENANCE_INTERVAL = 2.0  # seconds between looks at what operators want
_SUBSCRIBED_KINDS = (TopicKind.READINGS, TopicKind.STATUS, TopicKind.HEALTH)
_NODE_MESSAGE_SUFFIXES = tuple(f"/{kind}" for kind in (TopicKind.STATUS, TopicKind.HEALTH))
_MAX_WAITING_BATCHES = 4  # micro-batches that may wait here, where the broker's own window is wider


def _split_messages(messages: Sequence[Message]) -> tuple[list[Payload], list[nodes.NodeMessage]]:
    """Readings, and what nodes say of themselves."""
    now = datetime.now(UTC)
    payloads, node_messages = [], []
    for message in messages:
        topic = _parse_node_message_topic(message)
        if topic is not None:
            node_messages.append(
                nodes.NodeMessage(topic=topic, body=message.payload, received_at=now, retained=message.retained)
            )
        else:
            payloads.append(Payload(topic=message.topic, body=message.payload, received_at=now))
    return payloads, node_messages


def _parse_node_message_topic(message: Message) -> Topic | None:
    """The topic of what a node says of itself; None for readings, and for what is nobody's topic."""
    if not message.topic.endswith(_NODE_MESSAGE_SUFFIXES):
        return None
    try:
        return Topic.parse(message.topic)
    except MalformedError:
        return None
