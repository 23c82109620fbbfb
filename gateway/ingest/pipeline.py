"""The transaction of ingest: many payloads in, one COMMIT, then the nodes may delete them from their spools.

The consumer calls `speculate` and `process`; both raise psycopg.Error if the database fails. A redelivery changes
nothing: batches that the ledger knows touch neither states, events nor the live feed. States in memory are replaced
only after COMMIT, so that a failed transaction can be run again.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from edge_agent.wire import StoredRanges
from gateway import telemetry
from gateway.decoding.decode import Payload, RejectedPayload
from gateway.decoding.decoded_payloads import DecodedPayloads
from gateway.decoding.process import Decoder
from gateway.detection.analyzer import Analyzer
from gateway.detection.detector import Detector, has_silent_events
from gateway.ingest.acceptance import AcceptedPayloads, PayloadAcceptor
from gateway.ingest.batch_outcome import BatchOutcome, VersionedState
from gateway.ingest.checkpoint_schedule import CheckpointSchedule
from gateway.ingest.dating import BatchDating
from gateway.ingest.deferral import DeferredResults, ResultPlan
from gateway.ingest.handover import FormerEventEnder
from gateway.ingest.late_data import LateDataDetector, record_gaps
from gateway.ingest.outbox import write_outbox
from gateway.ingest.present_marks import PresentMarks
from gateway.ingest.quarantine_replay import QuarantineReplay
from gateway.ingest.reporter import TransactionReporter
from gateway.ingest.silence import ReadingClock
from gateway.ingest.speculation import Speculation, Speculator
from gateway.ingest.state import IngestState
from gateway.ingest.transaction_log import log_events
from gateway.ingest.transaction_report import TransactionReport
from gateway.live.latest import select_latest
from gateway.live.message import LiveMessage, LiveObservation
from gateway.model.observation import ObservationBatch
from gateway.model.registry import Node, Registry
from gateway.model.timestamps import to_ms
from gateway.quality.flagger import Flagger
from gateway.store import clock_offsets, ledger, observations, quarantine, stations
from gateway.store import events as event_store
from gateway.store.connection import Store, Transaction
from gateway.store.nodes import NodeMessage, record_copies, update_node_status


@dataclass(frozen=True, kw_only=True)
class CommitResult:
    """Results of one transaction to publish: ranges that nodes may delete, and messages for viewers."""

    stored_ranges: list[StoredRanges] = field(default_factory=list)
    live_messages: list[LiveMessage] = field(default_factory=list)


class Pipeline:
    """Ingest of one gateway: analyzer, state in memory and the transaction. Not for concurrent `process` calls."""

    def __init__(self, store: Store, flagger: Flagger, detector: Detector, decoder: Decoder | None = None) -> None:
        """`decoder` decodes payloads ahead of the transaction; None: this process does."""
        self._store, self._detector_name = store, detector.name
        analyzer = Analyzer(flagger=flagger, detector=detector)
        self._state = IngestState(store, analyzer)
        decode = decoder.decode if decoder else DecodedPayloads.from_payloads
        self._speculator = Speculator(analyzer, self._state, decode)
        self._checkpoints = CheckpointSchedule(analyzer, store.areas)
        self._late_data = LateDataDetector(store, analyzer)
        self._dating = BatchDating(store)
        self._quarantine_replay = QuarantineReplay(store, self._state, self.process)
        self._acceptor = PayloadAcceptor(self._state)
        self._former_events = FormerEventEnder(store, detector.name)
        self._reporter = TransactionReporter()
        self._analyzer, self._reading_clock = analyzer, ReadingClock()
        self._deferred, self._present_marks = DeferredResults(), PresentMarks(detector)

    @property
    def nodes(self) -> Mapping[str, Node]:
        """Every enrolled node, as of the last transaction."""
        return self._state.nodes

    async def speculate(
        self, payloads: Sequence[Payload], previous: Speculation | None = None, *, is_followed: bool = False
    ) -> Speculation:
        """Decode and analyse payloads in a thread ahead of `process`; `previous` is the micro-batch before.

        `is_followed`: another full micro-batch waits, so `process` may defer what it publishes.
        """
        return await self._speculator.speculate(payloads, previous, is_followed=is_followed)

    async def process(
        self,
        payloads: Sequence[Payload],
        node_messages: Sequence[NodeMessage] = (),
        speculation: Speculation | None = None,
    ) -> CommitResult:
        """Store all new payloads, and the status and health messages of nodes.

        `speculation` saves repeating the work already done on these payloads, if it still holds. Without it, results
        are neither deferred nor those that were deferred before.
        Raises psycopg.Error, and then nothing is stored.
        """
        deferred = self._deferred if speculation else DeferredResults()
        if speculation is None:
            speculation = Speculation(decoded=DecodedPayloads(payloads=payloads, registry=None), outcome=None)
        try:
            return await self._run_transaction(speculation, node_messages, deferred)
        finally:
            self._state.withdraw()
            speculation.state_known.set()

    async def _run_transaction(
        self, speculation: Speculation, node_messages: Sequence[NodeMessage], deferred: DeferredResults
    ) -> CommitResult:
        started_at = time.perf_counter()
        async with self._store.transaction() as tx:
            accepted = await self._acceptor.accept(tx, speculation.decoded)
            state, new = accepted.state, accepted.batches.new
            outcome = speculation.outcome_for(state, new)
            if outcome is None:
                outcome = await asyncio.to_thread(self._speculator.compute_outcome, state, accepted.decoded, new)
            await self._checkpoints.save_if_due(tx, state.analyzer_state, accepted.batches.ids)
            # No earlier: until the database has rows to write it is idle, and the next micro-batch's thread would
            # compete with this transaction for the interpreter.
            self._present_marks.adopt_load(self._state.load_number, state.analyzer_state)
            self._state.announce(outcome.state_after)
            speculation.state_known.set()
            deferred.adopt_load(self._state.load_number)
            plan = deferred.plan(
                outcome.rows, accepted.batches.owners, is_followed=speculation.is_followed, now=time.monotonic()
            )
            result, anchors = await self._store_outcome(tx, accepted, outcome, node_messages, plan)
        self._checkpoints.commit()
        deferred.commit(plan)
        self._present_marks.update(outcome.slots, outcome.marks)
        live_messages = self._present_marks.attach(result.live_messages, state.registry, to_ms(datetime.now(UTC)))
        if anchors is not self._state.anchors or any(clock_offsets.is_suspect(header) for header in new):
            self._dating.request()
        self._state.commit(tx, anchors)
        if await self._dating.run_if_requested(state.registry) or outcome.rows.late.any():
            self._late_data.postpone()
        await self._reporter.submit(
            TransactionReport(
                registry=state.registry,
                accepted=accepted.batches,
                rejected=accepted.rejected,
                omitted=len(accepted.rejected) - len(accepted.quarantined),
                copies=accepted.copies,
                outcome=outcome,
                seconds=time.perf_counter() - started_at,
            )
        )
        late_messages = await self._late_data.run_if_due(state.registry)
        return CommitResult(stored_ranges=result.stored_ranges, live_messages=[*live_messages, *late_messages])

    async def _store_outcome(
        self,
        tx: Transaction,
        accepted: AcceptedPayloads,
        outcome: BatchOutcome,
        node_messages: Sequence[NodeMessage],
        plan: ResultPlan,
    ) -> tuple[CommitResult, clock_offsets.Anchors]:
        """Write all that the transaction stores. The signed bytes come last, so that `committed_at` is late."""
        batches, rejected, registry = accepted.batches, accepted.rejected, accepted.state.registry
        await observations.copy_observations(tx, outcome.records, batches.ids)
        live_observations = await _select_live(outcome, plan, registry)
        received_keys = [header.key for header in batches.new]
        received_keys += [rejection.key for rejection in rejected if rejection.key is not None]
        async with tx.pipeline():
            await event_store.save_states(tx, self._detector_name, outcome.node_states)
            await quarantine.insert_payloads(tx, accepted.quarantined)
            await ledger.record_received(tx, received_keys)
            await update_node_status(tx, node_messages, batches.new, registry)
            anchors = await clock_offsets.record_clock_offsets(tx, batches.new, batches.ids, self._state.anchors)
            await record_gaps(tx, outcome.rows, registry)
            live_messages = await write_outbox(tx, live_observations, outcome.events, registry)
            await record_copies(tx, accepted.copies)
            stored_ranges = await ledger.load_stored_ranges(tx, plan.owners or {})
        await ledger.copy_batches(tx, outcome.batch_rows, batches.ids)
        return CommitResult(stored_ranges=stored_ranges, live_messages=live_messages), anchors

    async def take_overdue_results(self) -> CommitResult:
        """Return deferred results for which no transaction came, since the connection to the broker broke."""
        if not self._deferred.is_overdue(time.monotonic()):
            return CommitResult()
        nothing = Speculation(decoded=DecodedPayloads(payloads=[], registry=None), outcome=None)
        return await self.process([], speculation=nothing)

    async def quarantine_payload(self, rejected: RejectedPayload) -> None:
        """Put a payload that the database refused into quarantine. Raises psycopg.Error."""
        async with self._store.transaction() as tx:
            await quarantine.insert_payloads(tx, [rejected])
        telemetry.REJECTED_PAYLOADS.labels(rejected.reason.value).inc()

    async def replay_quarantined(self, limit: int = 100) -> int:
        """Replay quarantined payloads that operators asked for; return how many there were. Raises psycopg.Error."""
        return await self._quarantine_replay.replay_requested(limit)

    async def date_pending_batches(self) -> None:
        """Date what earlier transactions left undated; at most one group. A database failure postpones it."""
        if self._state.registry is not None and await self._dating.run_if_requested(self._state.registry):
            self._late_data.postpone()

    async def end_silent_events(self) -> list[LiveMessage]:
        """End the open events of silent datastreams by the clock, and those of a detector before this one.

        Return messages for viewers. Raises psycopg.Error.
        """
        current = self._state.expected
        if current is None:
            return []
        messages = await self._former_events.end_after_load(self._state.load_number, current.registry)
        return messages + await self._end_silent_events(current)

    async def _end_silent_events(self, current: VersionedState) -> list[LiveMessage]:
        now_ms = self._reading_clock.complete_until(current.analyzer_state)
        if not has_silent_events(current.analyzer_state.detection.arrays, now_ms):
            return []
        try:
            return await self._store_silent_ends(now_ms)
        finally:
            self._state.withdraw()

    async def _store_silent_ends(self, now_ms: int) -> list[LiveMessage]:
        async with self._store.transaction() as tx:
            before = await self._state.refresh(tx, await stations.load_version(tx))
            after, events = self._analyzer.end_silent_events(before.analyzer_state, now_ms)
            slots = np.array([event.datastream for event in events], np.int32)
            self._state.announce(after)
            await event_store.save_states(tx, self._detector_name, self._analyzer.dump_nodes(after, slots))
            messages = await write_outbox(tx, [], events, before.registry)
        self._state.commit(tx, self._state.anchors)
        log_events(events, before.registry)
        return messages

    async def acquire_areas(self) -> None:
        """Connect and lock our areas. Raises psycopg.OperationalError, LockHeldError if another gateway has them."""
        await self._store.ensure_connection()

    async def release_areas(self) -> None:
        """Let another gateway write for our areas; `acquire_areas` or `process` locks them again."""
        await self._store.close()


async def _select_live(outcome: BatchOutcome, plan: ResultPlan, registry: Registry) -> Sequence[LiveObservation]:
    """Return the latest values that this transaction publishes; the computation ahead may have them."""
    if plan.rows is None:
        return ()
    if len(plan.rows) == 1 and outcome.live_observations is not None:
        return outcome.live_observations
    return await asyncio.to_thread(select_latest, ObservationBatch.concatenate(plan.rows), registry)
