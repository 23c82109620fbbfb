"""A second detector that processes what the gateway has committed, in order, each batch exactly once.

It has a separate connection and writes only its own tables, so that its faults cannot affect ingest. A batch gets its
id before its COMMIT. A batch is therefore processed only after every transaction has ended that ran when its id was the
newest: then no earlier batch can appear any more.
"""

import asyncio
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import psycopg

from alerting.errors import one_line
from alerting.log import get_logger
from gateway.decoding.decode import decode_observations
from gateway.detection.analyzer import Analyzer, AnalyzerState
from gateway.detection.detector import Detector
from gateway.evaluation.shadow import state_store, telemetry
from gateway.evaluation.shadow.settings import ShadowSettings
from gateway.evaluation.shadow.state_store import QUERIES, BatchPage
from gateway.model.event import Event
from gateway.quality.flagger import Flagger
from gateway.store import checkpoints, stations
from gateway.store.connection import Transaction, open_exclusive

_LOG = get_logger("gateway.evaluation")
_BATCH_LIMIT = 2_000  # per transaction
_SETTLE_SECONDS = 5.0  # s after which a transaction that has an id has begun to write
_RETRY_SECONDS = 10.0  # s after a failure


@dataclass(frozen=True, kw_only=True)
class BatchBound:
    """The newest id at a moment (monotonic s); settled once no transaction from before `after` runs."""

    newest_batch: int
    next_transaction: int
    at: float


@dataclass(frozen=True, kw_only=True)
class FollowerState:
    """State of the shadow: analyzer state, next batch, newest datastream in the registry."""

    analyzer_state: AnalyzerState
    next_batch: int
    newest_datastream: int


class ShadowFollower:
    """Runs one shadow and holds its state."""

    def __init__(self, dsn: str, settings: ShadowSettings, *, settle_seconds: float = _SETTLE_SECONDS) -> None:
        self._dsn, self._settings, self._settle_seconds = dsn, settings, settle_seconds
        self.analyzer = Analyzer(flagger=Flagger(), detector=Detector(settings.detection))
        self._connection: psycopg.AsyncConnection | None = None
        self._state: FollowerState | None = None
        self._bound: BatchBound | None = None
        self._settled_batch = 0  # up to this batch nothing can be committed any more

    async def run(self) -> None:
        """Run until cancelled; a database that is unavailable only delays it."""
        while True:
            pause = self._settings.poll_seconds
            try:
                await self.catch_up()
            except psycopg.Error as error:
                _LOG.warning(
                    "shadow postponed: database unavailable", shadow=self._settings.name, error=one_line(error)
                )
                await self.close()
                pause = max(pause, _RETRY_SECONDS)
            await asyncio.sleep(pause)

    async def catch_up(self) -> None:
        """Process all settled batches. Raises psycopg.Error."""
        await self._update_settled_batch()
        has_more = True
        while has_more:
            has_more = bool(await self.step())

    async def step(self) -> int:
        """Run one transaction; return the number of batches it processed."""
        connection = await self._connect()
        async with connection.transaction():
            state = await self._current_state(connection)
            page = await state_store.load_batches(
                connection, state.analyzer_state.registry, state.next_batch, self._settled_batch, _BATCH_LIMIT
            )
            if page is None:
                return 0
            analyzer_state, events = self._analyze(state.analyzer_state, page)
            await checkpoints.save_detector(connection, self.analyzer)
            await state_store.save_events(connection, self._settings.name, events, page.newest)
            await state_store.save_state(
                connection, self._settings.name, self.analyzer, analyzer_state, first=state.next_batch, batch_page=page
            )
        self._state = replace(state, analyzer_state=analyzer_state, next_batch=page.last + 1)  # only after COMMIT
        self._count_metrics(page, events)
        return len(page.payloads)

    async def close(self) -> None:
        """Close the connection and drop the state in memory."""
        connection, self._connection = self._connection, None
        self._state = self._bound = None
        if connection is not None:
            await connection.close()

    async def _connect(self) -> psycopg.AsyncConnection:
        """Return the connection, which holds the lock of the shadow's name. Raises psycopg.OperationalError."""
        if self._connection is None or self._connection.closed:
            lock = {"name": self._settings.name}
            self._connection = await open_exclusive(self._dsn, "piekwacht shadow", QUERIES["try_lock"], lock)
            self._state = None
        return self._connection

    async def _update_settled_batch(self) -> None:
        """Find the newest settled batch."""
        connection = await self._connect()
        row = await (await connection.execute(QUERIES["select_batch_bounds"])).fetchone()
        newest, oldest_running, next_transaction = row or (0, 0, 0)
        bound, now = self._bound, time.monotonic()
        if bound is not None and oldest_running >= bound.next_transaction and now - bound.at >= self._settle_seconds:
            self._settled_batch, bound = bound.newest_batch, None
        self._bound = bound or BatchBound(newest_batch=newest, next_transaction=next_transaction, at=now)

    async def _current_state(self, tx: Transaction) -> FollowerState:
        """Return the state with the current registry."""
        row = await (await tx.execute(QUERIES["select_registry_version"])).fetchone()
        version, newest_datastream = row or (0, 0)
        state = self._state
        if state is None:
            registry = await stations.load_registry(tx)
            saved = await state_store.load_state(tx, self._settings.name, self.analyzer, registry)
            if saved is not None:
                return FollowerState(
                    next_batch=saved.next_batch, analyzer_state=saved.state, newest_datastream=newest_datastream
                )
            since = datetime.now(UTC) - timedelta(hours=self._settings.begin_hours)
            analyzer_state = self.analyzer.initial(registry)
            return FollowerState(
                next_batch=await state_store.find_first_batch(tx, since),
                analyzer_state=analyzer_state,
                newest_datastream=newest_datastream,
            )
        if state.analyzer_state.registry.version == version and state.newest_datastream == newest_datastream:
            return state
        registry = await stations.load_registry(tx, state.analyzer_state.registry)
        return replace(
            state,
            analyzer_state=self.analyzer.grow(state.analyzer_state, registry),
            newest_datastream=newest_datastream,
        )

    def _analyze(self, state: AnalyzerState, page: BatchPage) -> tuple[AnalyzerState, list[Event]]:
        state, _, events = self.analyzer.analyze(state, decode_observations(page.payloads, state.registry))
        return state, events

    def _count_metrics(self, page: BatchPage, events: list[Event]) -> None:
        name = self._settings.name
        telemetry.FOLLOWED.labels(name).inc(len(page.payloads))
        telemetry.NEWEST.labels(name).set(page.newest.timestamp())
        for event in events:
            telemetry.EVENTS.labels(name, event.change.value, event.kind.value).inc()
