"""A second detector that follows what the gateway has committed, in order, each batch exactly once.

It reads the database on a connection of its own and writes its own tables only: what goes wrong here cannot touch
ingest. Ids of batches are given out before their COMMIT, so a batch is followed only once every
transaction that ran when its id was the newest is over: no earlier one can appear any more.
"""

import asyncio
import logging
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import psycopg

from gateway.decoding.decode import observed
from gateway.detection.analyzer import Memory, Senses
from gateway.detection.detector import Detector
from gateway.evaluation.shadow import state_store, telemetry
from gateway.evaluation.shadow.settings import ShadowSettings
from gateway.evaluation.shadow.state_store import QUERIES, Followed
from gateway.model.event import Event
from gateway.quality.flagger import Flagger
from gateway.store import checkpoints, stations
from gateway.store.connection import Transaction

_LOG = logging.getLogger(__name__)
_BATCHES = 2_000  # in one transaction
_SETTLED = 5.0  # s after which a transaction that was given an id has surely begun to write
_AGAIN = 10.0  # s after a failure


@dataclass(frozen=True, kw_only=True)
class Mark:
    """The newest id at a moment (monotonic s); sure once no transaction before `after` runs."""

    newest: int
    after: int
    at: float


@dataclass(frozen=True, kw_only=True)
class Following:
    """What the shadow knows, and which batch is next. `streams` is the newest datastream it knows."""

    memory: Memory
    next: int
    streams: int


class Follower:
    """Owns the memory of one shadow."""

    def __init__(self, dsn: str, settings: ShadowSettings, *, settled: float = _SETTLED) -> None:
        self._dsn, self._settings, self._settled = dsn, settings, settled
        self.senses = Senses(flagger=Flagger(), detector=Detector(settings.detection))
        self._connection: psycopg.AsyncConnection | None = None
        self._following: Following | None = None
        self._mark: Mark | None = None
        self._sure = 0  # every batch up to this one is committed or never will be

    async def run(self) -> None:
        """Follow until cancelled; a database that is away only puts it off."""
        while True:
            pause = self._settings.seconds
            try:
                await self.catch_up()
            except psycopg.Error as error:
                _LOG.warning("shadow %s goes on later: %s", self._settings.name, " ".join(str(error).split()))
                await self.close()
                pause = max(pause, _AGAIN)
            await asyncio.sleep(pause)

    async def catch_up(self) -> None:
        """Follow all that is sure by now. Raises psycopg.Error."""
        await self._look()
        followed = True
        while followed:
            followed = bool(await self.step())

    async def step(self) -> int:
        """One transaction; returns how many batches it followed."""
        connection = await self._connected()
        async with connection.transaction():
            following = await self._current(connection)
            followed = await state_store.batches(
                connection, following.memory.registry, following.next, self._sure, _BATCHES
            )
            if followed is None:
                return 0
            memory, events = self._examined(following.memory, followed)
            await checkpoints.introduce(connection, self.senses)
            await state_store.save(connection, self._settings.name, events, followed.newest)
            await state_store.keep(
                connection, self._settings.name, self.senses, memory, first=following.next, followed=followed
            )
        self._following = replace(following, memory=memory, next=followed.last + 1)  # only after COMMIT
        self._account(followed, events)
        return len(followed.payloads)

    async def close(self) -> None:
        """Let go of the database; what is not kept there is forgotten."""
        connection, self._connection = self._connection, None
        self._following = self._mark = None
        if connection is not None:
            await connection.close()

    async def _connected(self) -> psycopg.AsyncConnection:
        """The connection, which holds the shadow's name. Raises psycopg.OperationalError."""
        if self._connection is None or self._connection.closed:
            connection = await psycopg.AsyncConnection.connect(
                self._dsn, autocommit=True, connect_timeout=5, application_name="piekwacht shadow"
            )
            row = await (await connection.execute(QUERIES["hold"], {"name": self._settings.name})).fetchone()
            if row is None or not row[0]:
                await connection.close()
                raise psycopg.OperationalError("another process runs it")
            self._connection, self._following = connection, None
        return self._connection

    async def _look(self) -> None:
        """Learn up to which batch nothing can appear any more."""
        connection = await self._connected()
        row = await (await connection.execute(QUERIES["numbered"])).fetchone()
        newest, oldest_running, next_ = row or (0, 0, 0)
        mark, now = self._mark, time.monotonic()
        if mark is not None and oldest_running >= mark.after and now - mark.at >= self._settled:
            self._sure, mark = mark.newest, None
        self._mark = mark or Mark(newest=newest, after=next_, at=now)

    async def _current(self, tx: Transaction) -> Following:
        """What we know, with the registry as it is now."""
        row = await (await tx.execute(QUERIES["registry"])).fetchone()
        version, streams = row or (0, 0)
        following = self._following
        if following is None:
            registry = await stations.load(tx)
            kept = await state_store.place(tx, self._settings.name, self.senses, registry)
            if kept is not None:
                return Following(next=kept[0], memory=kept[1], streams=streams)
            since = datetime.now(UTC) - timedelta(hours=self._settings.begin_hours)
            memory = self.senses.initial(registry)
            return Following(next=await state_store.begin(tx, since), memory=memory, streams=streams)
        if following.memory.registry.version == version and following.streams == streams:
            return following
        registry = await stations.load(tx, following.memory.registry)
        return replace(following, memory=self.senses.grow(following.memory, registry), streams=streams)

    def _examined(self, memory: Memory, followed: Followed) -> tuple[Memory, list[Event]]:
        memory, _, events = self.senses.examine(memory, observed(followed.payloads, memory.registry))
        return memory, events

    def _account(self, followed: Followed, events: list[Event]) -> None:
        name = self._settings.name
        telemetry.FOLLOWED.labels(name).inc(len(followed.payloads))
        telemetry.NEWEST.labels(name).set(followed.newest.timestamp())
        for event in events:
            telemetry.EVENTS.labels(name, event.change.value, event.kind.value).inc()
