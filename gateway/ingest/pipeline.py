"""The spine: many payloads to one transaction, after which the nodes may forget.

A redelivery is a no-op: what the ledger knows already touches neither states, events nor the live
feed. States are replaced only after COMMIT, so that a failed transaction can simply be run again.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec
import psycopg

from edge_agent.wire import StoredRanges
from gateway import telemetry
from gateway.decoding.decode import Heading, Payload, Rejected, Unplaced, Verified, decode, place, unplaced
from gateway.decoding.decoded_payloads import Decoded
from gateway.decoding.process import Decoder
from gateway.decoding.rejection import Reason
from gateway.detection.analyzer import Memory, Senses
from gateway.detection.detector import Detector
from gateway.ingest import late_data, transaction_log
from gateway.ingest.metrics import account
from gateway.ingest.outbox import announce
from gateway.ingest.speculation import Outcome
from gateway.live.message import LiveMessage
from gateway.model.registry import Node, Registry
from gateway.quality.flagger import Flagger
from gateway.store import checkpoints, clock_offsets, ledger, nodes, observations, quarantine, stations
from gateway.store import events as event_store
from gateway.store.connection import Store, Transaction
from gateway.store.copy_observations import prepare

_LOG = logging.getLogger(__name__)
_QUALITY = "quality"
_HOUR = 3_600.0  # s between checkpoints
ASIDE = 0.02  # s after a COMMIT: the next transaction has given the database its rows, and threads hold up nobody
_QUIET = 60.0  # s without a late reading after which a gap counts as repaired


@dataclass(frozen=True, kw_only=True)
class Committed:
    """What one transaction stored: what nodes may forget, and what viewers should see."""

    stored: list[StoredRanges] = field(default_factory=list)
    live: list[LiveMessage] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Foreseen:
    """Payloads on their way to `Pipeline.process`, and where they lead if nothing comes between."""

    decoded: Decoded
    outcome: Outcome | None
    settled: asyncio.Event = field(default_factory=asyncio.Event)  # it is known what the next ones start from

    def outcome_for(self, memory: Memory, fresh: Sequence[Heading]) -> Outcome | None:
        """The outcome, where these turned out to be all new and to start from this memory."""
        found = self.outcome
        if found is None or found.before is not memory or len(fresh) != len(self.decoded.headings):
            return None
        return found


class Pipeline:
    """Owns the memory of one gateway."""

    def __init__(self, store: Store, flagger: Flagger, detector: Detector, decoder: Decoder | None = None) -> None:
        """`decoder`: who reads payloads ahead; None: this process."""
        self._store, self._senses = store, Senses(flagger=flagger, detector=detector)
        self._decode = decoder.decode if decoder else Decoded.of
        self._memory: Memory | None = None
        self._ahead: Memory | None = None  # what the transaction that runs will leave
        self._anchored: clock_offsets.Anchored = frozenset()
        self._lease: Transaction | None = None  # the connection since which nobody but us has written for our areas
        self._reporting: asyncio.Task[None] | None = None
        self._checkpoint_due = 0.0  # by the monotonic clock
        self._repair_due = 0.0  # gaps may have been left by the process before this one

    async def foresee(self, payloads: Sequence[Payload], after: Foreseen | None = None) -> Foreseen:
        """All that `process` can know before it asks the database, in another thread; `after` are those before these.

        Their signatures are checked at once; what they lead to is worked out as soon as it is known what they start
        from, which is long before those before them are committed.
        """
        registry = self._memory.registry if self._memory else None
        decoded = Decoded(payloads=payloads, registry=None)
        if registry is not None:
            decoded = await asyncio.to_thread(self._decode, payloads, registry)
        if after is not None:
            await after.settled.wait()
        memory = self._ahead or self._memory
        if memory is None:
            return Foreseen(decoded=decoded, outcome=None)
        return await asyncio.to_thread(self._foresee, decoded, memory)

    def _foresee(self, decoded: Decoded, memory: Memory) -> Foreseen:
        decoded = decoded.by(memory.registry)
        return Foreseen(decoded=decoded, outcome=self._outcome(memory, decoded, decoded.headings))

    def _outcome(self, memory: Memory, decoded: Decoded, fresh: Sequence[Heading]) -> Outcome:
        rows = decoded.by(memory.registry).rows_of(fresh)
        with telemetry.DETECT.time():
            return Outcome.of(self._senses, memory, fresh, rows)

    async def process(
        self, payloads: Sequence[Payload], words: Sequence[nodes.Word] = (), foreseen: Foreseen | None = None
    ) -> Committed:
        """Store all that is new among the payloads, and what nodes said of themselves.

        `foreseen` spares the work that was done on these payloads already, where it still holds.
        Raises psycopg.Error, and then nothing is stored.
        """
        if foreseen is None:
            foreseen = Foreseen(decoded=Decoded(payloads=payloads, registry=None), outcome=None)
        try:
            return await self._process(foreseen, words)
        finally:
            self._ahead = None
            foreseen.settled.set()

    async def _process(self, foreseen: Foreseen, words: Sequence[nodes.Word]) -> Committed:
        began = time.perf_counter()
        async with self._store.transaction() as tx:
            accepted = await ledger.accept(tx, foreseen.decoded.headings)
            memory = await self._current(tx, accepted.version)
            decoded = foreseen.decoded.by(memory.registry)
            if decoded is not foreseen.decoded:
                accepted = await ledger.accept(tx, decoded.headings)
            ids = accepted.ids
            lacking = unplaced(accepted.fresh)
            memory = await self._make_room(tx, memory, lacking)
            rejected = [*decoded.rejected, *accepted.tampered, *lacking.unknown]
            outcome = foreseen.outcome_for(memory, accepted.fresh)
            if outcome is None:
                outcome = await asyncio.to_thread(self._outcome, memory, decoded, accepted.fresh)
            registry, events = memory.registry, outcome.events
            await self._keep_checkpoint(tx, memory, ids)

            self._ahead = outcome.after  # no earlier: the database has nothing to do until it is given the rows
            foreseen.settled.set()
            await observations.copy(tx, outcome.records, ids)
            kept = [v.key for v in accepted.fresh] + [r.key for r in rejected if r.key is not None]
            async with tx.pipeline():
                await event_store.save_states(tx, self._senses.detector.name, outcome.kept)
                await quarantine.put(tx, rejected)
                await ledger.record(tx, kept)
                await nodes.touch(tx, words, accepted.fresh, registry)
                anchored = await clock_offsets.resolve(tx, accepted.fresh, ids, self._anchored)
                await late_data.note(tx, outcome.rows, registry)
                live = await announce(tx, outcome.news, events, registry)
                stored = await ledger.stored_ranges(tx, kept + [v.key for v in accepted.duplicates])
            await ledger.keep(tx, outcome.evidence, ids)
        self._memory, self._anchored, self._lease = outcome.after, anchored, tx  # only after COMMIT
        if outcome.rows.late.any():
            self._repair_due = time.monotonic() + _QUIET
        if self._reporting is not None:
            await self._reporting
        self._reporting = asyncio.create_task(
            _report(
                registry=registry,
                accepted=accepted,
                rejected=rejected,
                outcome=outcome,
                seconds=time.perf_counter() - began,
            )
        )
        return Committed(stored=stored, live=live + await self._repair(registry))

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
                events = await late_data.detect(tx, self._senses, registry, _QUIET, self._store.areas)
                live = await announce(tx, [], events, registry)
        except psycopg.Error as error:
            _LOG.warning("gaps are detected on later: %s", " ".join(str(error).split()))
            return []
        return live

    async def _current(self, tx: Transaction, version: int) -> Memory:
        """What we know, brought up to date where an operator changed the registry.

        At start, and on every new connection, as last committed: the old one may have broken in a COMMIT whose
        outcome we do not know, and another gateway may have written for our areas since.
        """
        if self._memory is None or self._lease is not tx:
            self._anchored = frozenset()
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
            memory = await self._current(tx, await stations.version(tx))
            verified = decode(retry.payload, memory.registry)
            if isinstance(verified, Rejected):
                return verified.reason.value
            if retry.reason is Reason.UNKNOWN_PROPERTY:
                memory, outcome = await self._complete(tx, memory, verified)
                self._memory = memory  # only datastreams were added: true whatever becomes of the transaction
                return outcome
            accepted = await ledger.accept(tx, [verified.heading(memory.registry)])
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
        lacking = unplaced([missing.heading(memory.registry)])
        memory = await self._make_room(tx, memory, lacking)
        if lacking.unknown:
            return memory, Reason.UNKNOWN_PROPERTY.value
        await observations.copy(tx, prepare(place([missing], memory.registry), memory.registry), [id_])
        return memory, "stored" if rest else "duplicate"

    @property
    def nodes(self) -> Mapping[str, Node]:
        """Every enrolled node, as of the last transaction."""
        return self._memory.registry.nodes if self._memory else {}

    async def _make_room(self, tx: Transaction, memory: Memory, lacking: Unplaced) -> Memory:
        """Create the datastreams that are missing."""
        if not lacking.missing:
            return memory
        await stations.create_datastreams(tx, lacking.missing)
        return await self._enlarged(tx, memory)


async def _report(
    *,
    registry: Registry,
    accepted: ledger.Accepted,
    rejected: Sequence[Rejected],
    outcome: Outcome,
    seconds: float,
) -> None:
    """To the log and to Prometheus."""

    def report() -> None:
        transaction_log.tell(registry, accepted, rejected, outcome.events)
        account(
            registry=registry,
            accepted=accepted,
            rejected=rejected,
            rows=outcome.rows,
            events=outcome.events,
            seconds=seconds,
        )

    try:
        await asyncio.sleep(ASIDE)
    finally:  # also when we end
        await asyncio.to_thread(report)
