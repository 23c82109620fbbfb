"""One connection to the broker: receive, commit, acknowledge, publish.

Two coroutines share the work through a queue of one micro-batch. While one micro-batch is committed, the next is
received, verified and analysed (docs/adr/0008). A message is acknowledged after the COMMIT that holds it or not at all;
if it is not, the broker delivers it again. The queue is bounded and nothing is ever discarded.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import NoReturn

import psycopg

from alerting.log import get_logger
from edge_agent.wire import TOPIC_PREFIX, DesiredConfig, Signer, StoredRanges, Topic, TopicKind, live_topic
from gateway import telemetry
from gateway.guests.notary import GuestNotary
from gateway.guests.publications import GuestPublications
from gateway.ingest.commit import DatabaseUnavailableError, commit_with_retry, report_database_failure, store_payloads
from gateway.ingest.desired_config import DesiredConfigTracker
from gateway.ingest.micro_batch import MicroBatch, split_messages
from gateway.ingest.pipeline import CommitResult, Pipeline
from gateway.ingest.reporter import REPORT_DELAY
from gateway.ingest.settings import IngestSettings
from gateway.ingest.speculation import Speculation
from gateway.live.message import LiveMessage
from gateway.mqtt.connection import BrokerUnavailableError, MqttConnection
from gateway.mqtt.packets import Message
from gateway.system.exception_groups import find_error

_LOG = get_logger("gateway.ingest")
_MAINTENANCE_INTERVAL = 2.0  # s between checks for what operators requested
_Publication = tuple[str, bytes]  # topic, payload


class IngestSession:
    """Ingest over one subscribed connection, until broker or database fail."""

    def __init__(
        self,
        connection: MqttConnection,
        pipeline: Pipeline,
        settings: IngestSettings,
        signer: Signer,
        *,
        notary: GuestNotary | None = None,
        publications: GuestPublications | None = None,
    ) -> None:
        """`notary`: stores the messages of guests between commits; `publications`: those that come from the broker."""
        self._connection, self._pipeline, self._settings, self._signer = connection, pipeline, settings, signer
        self._notary, self._publications = notary, publications
        self._guest_filters: set[str] = set()
        self._desired_configs = DesiredConfigTracker(settings.areas)
        self._queue: asyncio.Queue[MicroBatch] = asyncio.Queue(1)
        self._transaction_lock = asyncio.Lock()
        self._maintenance_due = 0.0  # monotonic clock

    async def run(self) -> None:
        """Until cancelled. Raises BrokerUnavailableError, or DatabaseUnavailableError if no retry helped."""
        try:
            with _count_session():
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._gather_micro_batches(), name="gather")
                    tasks.create_task(self._commit_micro_batches(tasks), name="commit")
        except BaseExceptionGroup as group:
            _, unexpected = group.split((BrokerUnavailableError, DatabaseUnavailableError))
            error = find_error(group, BrokerUnavailableError) or find_error(group, DatabaseUnavailableError)
            if error is None or unexpected is not None:
                raise
            raise error from None

    async def _gather_micro_batches(self) -> NoReturn:
        """Receive messages and compute their outcome ahead, one micro-batch after the other."""
        speculation: Speculation | None = None
        while True:
            async with self._finish_transaction_first():
                messages = await self._connection.receive(self._settings.max_batches, self._settings.window_seconds)
            telemetry.QUEUE.labels("ingest").set(len(self._connection))
            own_messages = await self._store_publications(messages)
            payloads, node_messages = split_messages(own_messages, datetime.now(UTC))
            is_followed = len(self._connection) >= self._settings.max_batches
            speculation = await self._pipeline.speculate(payloads, previous=speculation, is_followed=is_followed)
            await self._queue.put(
                MicroBatch(messages=messages, payloads=payloads, node_messages=node_messages, speculation=speculation)
            )
            if len(self._connection) < self._settings.max_batches:
                await self._queue.join()  # messages that arrive now join the next micro-batch, and wait less

    async def _store_publications(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Commit what guests published to their inbox; return the messages of nodes."""
        if self._publications is None or all(message.topic.startswith(TOPIC_PREFIX) for message in messages):
            return messages
        await self._publications.store(message for message in messages if not message.topic.startswith(TOPIC_PREFIX))
        return [message for message in messages if message.topic.startswith(TOPIC_PREFIX)]

    async def _commit_micro_batches(self, tasks: asyncio.TaskGroup) -> NoReturn:
        """Commit one micro-batch after the other and publish its results in the background; idle: maintenance."""
        publishing: asyncio.Task[None] | None = None
        while True:
            micro_batch = await self._next_micro_batch()
            if micro_batch is not None:
                async with self._transaction_lock:
                    result = await commit_with_retry(
                        self._pipeline,
                        micro_batch,
                        retry=self._settings.retry_seconds,
                        hold=self._settings.hold_seconds,
                    )
                if publishing is not None:
                    await publishing  # in order, so that the retained ranges are the newest
                publishing = tasks.create_task(self._publish_results(micro_batch.messages, result), name="publish")
            await self._run_maintenance()

    async def _next_micro_batch(self) -> MicroBatch | None:
        """Return the next micro-batch, or None if there is none for a while."""
        try:
            async with asyncio.timeout(_MAINTENANCE_INTERVAL):
                micro_batch = await self._queue.get()
        except TimeoutError:
            return None
        self._queue.task_done()
        return micro_batch

    @asynccontextmanager
    async def _finish_transaction_first(self) -> AsyncIterator[None]:
        """Delay a failure of the broker until the running transaction ends: the task group would cancel it."""
        try:
            yield
        except BrokerUnavailableError:
            async with self._transaction_lock:
                raise

    async def _publish_results(self, messages: Sequence[Message], result: CommitResult) -> None:
        """Acknowledge to the broker, publish stored ranges for nodes and live messages for viewers.

        If this fails nothing is lost: broker, nodes and viewers all ask again.
        """
        await asyncio.sleep(REPORT_DELAY)
        async with self._finish_transaction_first():
            await self._connection.acknowledge(messages)
            await self._publish_encoded(result)

    async def _publish_encoded(self, result: CommitResult) -> None:
        stored_ranges, live_messages = await asyncio.to_thread(self._encode_results, result)
        if stored_ranges:
            await self._publish_stored_ranges(stored_ranges)
        for topic, payload in live_messages:
            await self._connection.publish(topic, payload)

    async def _publish_stored_ranges(self, stored_ranges: Sequence[_Publication]) -> None:
        for topic, payload in stored_ranges:
            await self._connection.publish(topic, payload, retain=True, at_least_once=True)

    def _encode_results(self, result: CommitResult) -> tuple[list[_Publication], list[_Publication]]:
        """Return signed stored ranges for nodes, and live messages for viewers."""
        ranges_by_node = [(self._pipeline.nodes.get(ranges.node), ranges) for ranges in result.stored_ranges]
        stored_ranges = [
            self._sign_note(Topic(area=node.area, node=node.id, kind=TopicKind.STORED), ranges)
            for node, ranges in ranges_by_node
            if node
        ]
        return stored_ranges, [(live_topic(live.area), live.encode()) for live in result.live_messages]

    async def _run_maintenance(self) -> None:
        """Replay quarantined payloads, store what guests sent, end silent events, publish what is still to be sent.

        A failure waits for the next turn. It runs between commits, as both use the same database connection.
        """
        if time.monotonic() < self._maintenance_due:
            return
        self._maintenance_due = time.monotonic() + _MAINTENANCE_INTERVAL
        try:
            while await self._pipeline.replay_quarantined():
                _LOG.info("quarantined payloads replayed")
            live_messages = [*await self._store_guest_messages(), *await self._pipeline.end_silent_events()]
            deferred = await self._pipeline.take_overdue_results()
        except psycopg.Error as error:
            report_database_failure(error)
            live_messages, deferred = [], CommitResult()
        await self._pipeline.date_pending_batches()
        await self._subscribe_to_guests()
        for live in live_messages:
            await self._connection.publish(live_topic(live.area), live.encode())
        await self._publish_encoded(deferred)
        for desired, area in self._desired_configs.collect_changes(self._pipeline.nodes):
            topic, payload = self._sign_note(Topic(area=area, node=desired.node, kind=TopicKind.CONFIG), desired)
            await self._connection.publish(topic, payload, retain=True, at_least_once=True)

    async def _subscribe_to_guests(self) -> None:
        """Subscribe to the topics of guests that are new. A topic that the broker refuses stops nothing else."""
        filters = await self._publications.list_filters() if self._publications is not None else set()
        for topic_filter in sorted(filters - self._guest_filters):
            self._guest_filters.add(topic_filter)
            try:
                await self._connection.subscribe([topic_filter])
            except BrokerUnavailableError as error:
                _LOG.warning("topic of a guest not subscribed", topic=topic_filter, error=str(error))

    async def _store_guest_messages(self) -> list[LiveMessage]:
        """Store what guests sent, if this gateway has a notary's key; return messages for viewers."""
        if self._notary is None:
            return []
        result = await self._notary.run_turn(partial(store_payloads, self._pipeline))
        return [] if result is None else result.live_messages

    def _sign_note(self, topic: Topic, note: StoredRanges | DesiredConfig) -> _Publication:
        return str(topic), self._signer.sign(note.encode())


@contextmanager
def _count_session() -> Iterator[None]:
    telemetry.CONNECTED_SESSIONS.inc()
    try:
        yield
    finally:
        telemetry.CONNECTED_SESSIONS.dec()
