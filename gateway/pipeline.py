"""The spine: many payloads to one transaction, after which the nodes may forget.

A redelivery is a no-op: what the ledger knows already touches neither states, events nor the live
feed. States are replaced only after COMMIT, so that a failed transaction can simply be run again.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Self

import msgspec
import numpy as np
import psycopg

from alerting import inbox
from edge_agent.wire import StoredRanges
from gateway import repair, story, telemetry
from gateway.account import account
from gateway.alerts import severity, to_alerts
from gateway.decode import Payload, Reason, Rejected, Verified, decode, place, unplaced
from gateway.detection.detector import Detector
from gateway.event import Event
from gateway.live import LiveEvent, LiveMessage, LiveObservation
from gateway.newest import newest
from gateway.observation import ObservationBatch
from gateway.quality.flagger import Flagger
from gateway.registry import Node, Registry
from gateway.senses import Memory, Senses
from gateway.store import checkpoints, clocks, ledger, nodes, observations, quarantine, stations
from gateway.store import events as event_store
from gateway.store.connection import QUERIES, Store, Transaction

_LOG = logging.getLogger(__name__)
_QUALITY = "quality"
_HOUR = 3_600.0  # s between checkpoints
_QUIET = 60.0  # s without a late reading after which a gap counts as repaired


@dataclass(frozen=True, kw_only=True)
class Committed:
    """What one transaction stored: what nodes may forget, and what viewers should see."""

    stored: list[StoredRanges] = field(default_factory=list)
    live: list[LiveMessage] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Payloads decoded by a registry, and the observations in them if all of them are new."""

    registry: Registry | None
    verified: Sequence[Verified]
    rejected: Sequence[Rejected]
    rows: ObservationBatch

    @classmethod
    def of(cls, payloads: Sequence[Payload], registry: Registry) -> Self:
        """Pure."""
        decoded = [decode(payload, registry) for payload in payloads]
        verified = [d for d in decoded if isinstance(d, Verified)]
        rejected = [d for d in decoded if isinstance(d, Rejected)]
        return cls(registry=registry, verified=verified, rejected=rejected, rows=place(verified, registry))

    def placed(self, fresh: Sequence[Verified], registry: Registry) -> ObservationBatch:
        """The observations of those that turned out to be new, by the registry as it turned out to be."""
        whole = registry is self.registry and len(fresh) == len(self.verified)
        return self.rows if whole else place(fresh, registry)


@dataclass(frozen=True, kw_only=True)
class _Derived:
    """What follows from a micro-batch and needs no database: states by slot, and what is new to viewers."""

    quality: Mapping[int, bytes]
    detection: Mapping[int, bytes]
    news: Sequence[LiveObservation]


class Pipeline:
    """Owns the memory of one gateway."""

    def __init__(self, store: Store, flagger: Flagger, detector: Detector) -> None:
        self._store, self._senses = store, Senses(flagger=flagger, detector=detector)
        self._memory: Memory | None = None
        self._lease: Transaction | None = None  # the connection since which nobody but us has written for our areas
        self._checkpoint_due = 0.0  # by the monotonic clock
        self._repair_due = 0.0  # gaps may have been left by the process before this one

    def prepare(self, payloads: Sequence[Payload]) -> Prepared:
        """Decode by the registry of the last COMMIT: all that needs no database, and may be done in another thread."""
        if self._memory is None:
            return Prepared(registry=None, verified=[], rejected=[], rows=ObservationBatch.of([], [], []))
        return Prepared.of(payloads, self._memory.registry)

    async def process(
        self, payloads: Sequence[Payload], words: Sequence[nodes.Word] = (), prepared: Prepared | None = None
    ) -> Committed:
        """Store all that is new among the payloads, and what nodes said of themselves.

        `prepared` spares the decoding where it was done by the registry that is still in force.
        Raises psycopg.Error, and then nothing is stored.
        """
        began = time.perf_counter()
        async with self._store.transaction() as tx:
            memory = await self._current(tx)
            if prepared is None or prepared.registry is not memory.registry:
                prepared = Prepared.of(payloads, memory.registry)
            accepted = await ledger.accept(tx, prepared.verified)
            memory, unknown = await self._make_room(tx, memory, accepted.fresh)
            rejected = [*prepared.rejected, *accepted.tampered, *unknown]
            before = memory
            memory, rows, events = self._examine(memory, prepared.placed(accepted.fresh, memory.registry))

            ids = await ledger.number(tx, accepted.fresh)
            await self._keep_checkpoint(tx, before, ids)
            # the database takes the rows in while we work out the rest
            copying = observations.copy(tx, rows, ids, memory.registry)
            derived, _ = await asyncio.gather(asyncio.to_thread(self._derive, memory, rows), copying)
            await self._save_states(tx, derived, memory.registry)
            await event_store.save(tx, events, _severities(events, memory.registry), memory.registry)
            await inbox.put(tx, to_alerts(events, memory.registry))
            await quarantine.put(tx, rejected)
            kept = [v.key for v in accepted.fresh] + [r.key for r in rejected if r.key is not None]
            await ledger.record(tx, kept)
            stored = await ledger.stored_ranges(tx, kept + [v.key for v in accepted.duplicates])
            await nodes.touch(tx, words, accepted.fresh, memory.registry)
            live = await _live(tx, derived.news, events, memory.registry)
            anchored = await clocks.resolve(tx, [v.batch for v in accepted.fresh], ids, memory.anchored)
            await ledger.keep(tx, accepted.fresh, ids)
            await repair.note(tx, rows, memory.registry)
        self._memory, self._lease = replace(memory, anchored=anchored), tx  # only after COMMIT
        if rows.late.any():
            self._repair_due = time.monotonic() + _QUIET
        story.tell(memory.registry, accepted, ids, rejected, events)
        account(
            registry=memory.registry,
            accepted=accepted,
            rejected=rejected,
            rows=rows,
            events=events,
            seconds=time.perf_counter() - began,
        )
        return Committed(stored=stored, live=live + await self._repair(memory.registry))

    async def _keep_checkpoint(self, tx: Transaction, before: Memory, ids: Sequence[int]) -> None:
        """About hourly, and when the process begins: what was known before these batches."""
        if ids and time.monotonic() >= self._checkpoint_due:
            await checkpoints.introduce(tx, self._senses)
            await checkpoints.keep(tx, self._senses, before, ids[0], list(self._store.areas))
            self._checkpoint_due = time.monotonic() + _HOUR

    async def _repair(self, registry: Registry) -> list[LiveMessage]:
        """Detect over gaps that were filled, once nothing more comes for them. A failure only puts it off."""
        if time.monotonic() < self._repair_due:
            return []
        self._repair_due = time.monotonic() + _QUIET
        try:
            async with self._store.transaction() as tx:
                events = await repair.detect(tx, self._senses, registry, _QUIET, self._store.areas)
                await event_store.save(tx, events, _severities(events, registry), registry)
                await inbox.put(tx, to_alerts(events, registry))
                live = await _live(tx, [], events, registry)
        except psycopg.Error as error:
            _LOG.warning("gaps are detected on later: %s", " ".join(str(error).split()))
            return []
        return live

    async def _current(self, tx: Transaction) -> Memory:
        """What we know, brought up to date where an operator changed the registry.

        At start, and on every new connection, as last committed: the old one may have broken in a COMMIT whose
        outcome we do not know, and another gateway may have written for our areas since.
        """
        version = await stations.version(tx)
        if self._memory is None or self._lease is not tx:
            registry = await stations.load(tx, areas=self._store.areas)
            quality = await event_store.load_states(tx, _QUALITY, registry)
            detection = await event_store.load_states(tx, self._senses.detector.name, registry)
            return self._senses.load(registry, quality, detection)
        if self._memory.registry.version == version:
            return self._memory
        return await self._enlarged(tx, self._memory)

    async def _enlarged(self, tx: Transaction, memory: Memory) -> Memory:
        """The same memory with the registry read anew; new datastreams start fresh."""
        return self._senses.grow(memory, await stations.load(tx, memory.registry, areas=self._store.areas))

    async def ready(self) -> None:
        """Return once the database answers and is ours to write; raises psycopg.OperationalError until then."""
        await self._store.connected()

    async def release(self) -> None:
        """Let another gateway write for our areas; `ready` asks for them again."""
        await self._store.close()

    async def refuse(self, rejected: Rejected) -> Committed:
        """Quarantine what the database would not take."""
        async with self._store.transaction() as tx:
            await quarantine.put(tx, [rejected])
        telemetry.REJECTED.labels(rejected.reason.value).inc()
        return Committed()

    async def replay(self, limit: int = 100) -> int:
        """Try again what operators asked for, one payload a transaction; returns how many there were."""
        async with self._store.transaction() as tx:
            wanted = await quarantine.to_replay(tx, limit, self._store.areas)
        for retry in wanted:
            outcome = await self._retry(retry)
            async with self._store.transaction() as tx:
                await quarantine.replayed(tx, {retry.id: outcome})
        return len(wanted)

    async def _retry(self, retry: quarantine.Retry) -> str:
        """What became of it. Refused again, it stays where it is, and no second copy is made."""
        async with self._store.transaction() as tx:
            memory = await self._current(tx)
            verified = decode(retry.payload, memory.registry)
            if isinstance(verified, Rejected):
                return verified.reason.value
            if retry.reason is Reason.UNKNOWN_PROPERTY:
                memory, outcome = await self._complete(tx, memory, verified)
                self._memory = memory  # only datastreams were added: true whatever becomes of the transaction
                return outcome
            accepted = await ledger.accept(tx, [verified])
        if accepted.tampered:
            return Reason.TAMPERED.value
        await self.process([retry.payload])
        return "stored" if accepted.fresh else "duplicate"

    async def _complete(self, tx: Transaction, memory: Memory, verified: Verified) -> tuple[Memory, str]:
        """Store those properties of a stored batch that nobody knew when it came."""
        found = await quarantine.stored_as(tx, verified)
        if found is None:
            return memory, "duplicate"
        id_, known = found
        rest = {name: column for name, column in verified.batch.values.items() if name not in known}
        batch = msgspec.structs.replace(verified.batch, values=rest, flags={}, hist=True)
        missing = replace(verified, batch=batch)
        memory, unknown = await self._make_room(tx, memory, [missing])
        if unknown:
            return memory, Reason.UNKNOWN_PROPERTY.value
        await observations.copy(tx, place([missing], memory.registry), [id_], memory.registry)
        return memory, "stored" if rest else "duplicate"

    @property
    def nodes(self) -> Mapping[str, Node]:
        """Every enrolled node, as of the last transaction."""
        return self._memory.registry.nodes if self._memory else {}

    async def _make_room(
        self, tx: Transaction, memory: Memory, batches: Sequence[Verified]
    ) -> tuple[Memory, list[Rejected]]:
        """Create the datastreams that these batches need; name the properties nobody knows."""
        found = unplaced(batches, memory.registry)
        if found.missing:
            await stations.create_datastreams(tx, found.missing)
            memory = await self._enlarged(tx, memory)
        return memory, list(found.unknown)

    def _examine(self, memory: Memory, rows: ObservationBatch) -> tuple[Memory, ObservationBatch, list[Event]]:
        """Flag and detect. Rows whose time cannot be believed are kept, and never detected on."""
        with telemetry.DETECT.time():
            memory, rows, events = self._senses.examine(memory, rows)
        return memory, rows, events

    def _derive(self, memory: Memory, rows: ObservationBatch) -> _Derived:
        registry, touched = memory.registry, np.flatnonzero(np.bincount(rows.datastream)).tolist()
        nodes = dict.fromkeys(registry.datastreams[slot].node for slot in touched)
        kept = [slot for node in nodes for slot in registry.slots_of[node]]  # a row a node
        return _Derived(
            quality=dict(zip(kept, self._senses.flagger.dump(memory.quality, kept), strict=True)),
            detection=dict(zip(kept, self._senses.detector.dump(memory.detection, kept), strict=True)),
            news=newest(rows, registry),
        )

    async def _save_states(self, tx: Transaction, derived: _Derived, registry: Registry) -> None:
        await event_store.save_states(tx, _QUALITY, derived.quality, registry)
        await event_store.save_states(tx, self._senses.detector.name, derived.detection, registry)


def _severities(events: Sequence[Event], registry: Registry) -> list[str]:
    return [severity(event, registry.properties[event.observed_property]).value for event in events]


async def _live(
    tx: Transaction, news: Sequence[LiveObservation], events: Sequence[Event], registry: Registry
) -> list[LiveMessage]:
    """One message an area, each with its own number: the newest live value of each datastream, every event change."""
    areas: dict[str, tuple[list[LiveObservation], list[LiveEvent]]] = {}
    for observation in news:
        areas.setdefault(registry.stations[observation.station].area, ([], []))[0].append(observation)
    for event, level in zip(events, _severities(events, registry), strict=True):
        area = registry.stations[event.station].area
        unit = registry.properties[event.observed_property].unit
        live = LiveEvent(event=event, area=area, severity=level, unit=unit)
        areas.setdefault(area, ([], []))[1].append(live)
    if not areas:
        return []
    numbers = await (await tx.execute(QUERIES["next_live_ids"], {"count": len(areas)})).fetchall()
    now = datetime.now(UTC)
    return [
        LiveMessage(id=number, area=area, committed_at=now, observations=seen, events=found)
        for (number,), (area, (seen, found)) in zip(numbers, areas.items(), strict=True)
    ]
