"""The spine: many payloads to one transaction, after which the nodes may forget.

A redelivery is a no-op: what the ledger knows already touches neither states, events nor the live
feed. States are replaced only after COMMIT, so that a failed transaction can simply be run again.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec
import psycopg

from alerting.errors import one_line
from alerting.log import get_logger
from edge_agent.wire import StoredRanges
from gateway import telemetry
from gateway.decoding.decode import (
    BatchHeader,
    Payload,
    RejectedPayload,
    UnplacedValues,
    VerifiedBatch,
    decode_payload,
    find_unplaced,
    place_observations,
)
from gateway.decoding.decoded_payloads import DecodedPayloads
from gateway.decoding.process import Decoder
from gateway.decoding.rejection import RejectionReason
from gateway.detection.analyzer import Analyzer, AnalyzerState
from gateway.detection.detector import Detector
from gateway.ingest import late_data, transaction_log
from gateway.ingest.metrics import count_transaction
from gateway.ingest.outbox import write_outbox
from gateway.ingest.speculation import BatchOutcome
from gateway.live.message import LiveMessage
from gateway.model.registry import Node, Registry
from gateway.quality.flagger import Flagger
from gateway.store import checkpoints, clock_offsets, ledger, nodes, observations, quarantine, stations
from gateway.store import events as event_store
from gateway.store.connection import Store, Transaction
from gateway.store.copy_observations import prepare_records

_LOG = get_logger("gateway.ingest")
_QUALITY_COMPONENT = "quality"
_CHECKPOINT_INTERVAL = 3_600.0  # s between checkpoints
REPORT_DELAY = (
    0.02  # s after a COMMIT: the next transaction has given the database its rows, and threads hold up nobody
)
_GAP_QUIET_SECONDS = 60.0  # s without a late reading after which a gap counts as repaired


@dataclass(frozen=True, kw_only=True)
class CommitResult:
    """What one transaction stored: what nodes may forget, and what viewers should see."""

    stored_ranges: list[StoredRanges] = field(default_factory=list)
    live_messages: list[LiveMessage] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Speculation:
    """Payloads on their way to `Pipeline.process`, and where they lead if nothing comes between."""

    decoded: DecodedPayloads
    outcome: BatchOutcome | None
    state_known: asyncio.Event = field(default_factory=asyncio.Event)  # it is known what the next ones start from

    def outcome_for(self, state: AnalyzerState, headers: Sequence[BatchHeader]) -> BatchOutcome | None:
        """The outcome, where these turned out to be all new and to start from this memory."""
        outcome = self.outcome
        if outcome is None or outcome.state_before is not state or len(headers) != len(self.decoded.headers):
            return None
        return outcome


class Pipeline:
    """Owns the memory of one gateway."""

    def __init__(self, store: Store, flagger: Flagger, detector: Detector, decoder: Decoder | None = None) -> None:
        """`decoder`: who reads payloads ahead; None: this process."""
        self._store, self._analyzer = store, Analyzer(flagger=flagger, detector=detector)
        self._decode = decoder.decode if decoder else DecodedPayloads.from_payloads
        self._state: AnalyzerState | None = None
        self._next_state: AnalyzerState | None = None  # what the transaction that runs will leave
        self._anchored_clocks: clock_offsets.AnchoredBoots = frozenset()
        self._lock_connection: Transaction | None = (
            None  # the connection since which nobody but us has written for our areas
        )
        self._report_task: asyncio.Task[None] | None = None
        self._checkpoint_due = 0.0  # by the monotonic clock
        self._gap_detection_due = 0.0  # gaps may have been left by the process before this one

    async def speculate(self, payloads: Sequence[Payload], previous: Speculation | None = None) -> Speculation:
        """All that `process` can know before it asks the database, in another thread; `after` are those before these.

        Their signatures are checked at once; what they lead to is worked out as soon as it is known what they start
        from, which is long before those before them are committed.
        """
        registry = self._state.registry if self._state else None
        decoded = DecodedPayloads(payloads=payloads, registry=None)
        if registry is not None:
            decoded = await asyncio.to_thread(self._decode, payloads, registry)
        if previous is not None:
            await previous.state_known.wait()
        state = self._next_state or self._state
        if state is None:
            return Speculation(decoded=decoded, outcome=None)
        return await asyncio.to_thread(self._speculate, decoded, state)

    def _speculate(self, decoded: DecodedPayloads, state: AnalyzerState) -> Speculation:
        decoded = decoded.with_registry(state.registry)
        return Speculation(decoded=decoded, outcome=self._compute_outcome(state, decoded, decoded.headers))

    def _compute_outcome(
        self, state: AnalyzerState, decoded: DecodedPayloads, headers: Sequence[BatchHeader]
    ) -> BatchOutcome:
        rows = decoded.with_registry(state.registry).select_rows(headers)
        with telemetry.DETECT_SECONDS.time():
            return BatchOutcome.compute(self._analyzer, state, headers, rows)

    async def process(
        self,
        payloads: Sequence[Payload],
        node_messages: Sequence[nodes.NodeMessage] = (),
        speculation: Speculation | None = None,
    ) -> CommitResult:
        """Store all that is new among the payloads, and what nodes said of themselves.

        `foreseen` spares the work that was done on these payloads already, where it still holds.
        Raises psycopg.Error, and then nothing is stored.
        """
        if speculation is None:
            speculation = Speculation(decoded=DecodedPayloads(payloads=payloads, registry=None), outcome=None)
        try:
            return await self._run_transaction(speculation, node_messages)
        finally:
            self._next_state = None
            speculation.state_known.set()

    async def _run_transaction(
        self, speculation: Speculation, node_messages: Sequence[nodes.NodeMessage]
    ) -> CommitResult:
        started_at = time.perf_counter()
        async with self._store.transaction() as tx:
            accepted = await ledger.accept_batches(tx, speculation.decoded.headers)
            state = await self._refresh_state(tx, accepted.registry_version)
            decoded = speculation.decoded.with_registry(state.registry)
            if decoded is not speculation.decoded:
                accepted = await ledger.accept_batches(tx, decoded.headers)
            ids = accepted.ids
            unplaced = find_unplaced(accepted.new)
            state = await self._create_datastreams(tx, state, unplaced)
            rejected = [*decoded.rejected, *accepted.tampered, *unplaced.rejections]
            outcome = speculation.outcome_for(state, accepted.new)
            if outcome is None:
                outcome = await asyncio.to_thread(self._compute_outcome, state, decoded, accepted.new)
            registry, events = state.registry, outcome.events
            await self._save_checkpoint(tx, state, ids)

            self._next_state = (
                outcome.state_after
            )  # no earlier: the database has nothing to do until it is given the rows
            speculation.state_known.set()
            await observations.copy_observations(tx, outcome.records, ids)
            received_keys = [header.key for header in accepted.new] + [
                rejection.key for rejection in rejected if rejection.key is not None
            ]
            async with tx.pipeline():
                await event_store.save_states(tx, self._analyzer.detector.name, outcome.node_states)
                await quarantine.insert_payloads(tx, rejected)
                await ledger.record_received(tx, received_keys)
                await nodes.update_node_status(tx, node_messages, accepted.new, registry)
                anchored_clocks = await clock_offsets.record_clock_offsets(tx, accepted.new, ids, self._anchored_clocks)
                await late_data.record_gaps(tx, outcome.rows, registry)
                live_messages = await write_outbox(tx, outcome.live_observations, events, registry)
                stored_ranges = await ledger.load_stored_ranges(
                    tx, received_keys + [header.key for header in accepted.duplicates]
                )
            await ledger.copy_batches(tx, outcome.batch_rows, ids)
        self._state, self._anchored_clocks, self._lock_connection = (
            outcome.state_after,
            anchored_clocks,
            tx,
        )  # only after COMMIT
        if outcome.rows.late.any():
            self._gap_detection_due = time.monotonic() + _GAP_QUIET_SECONDS
        if self._report_task is not None:
            await self._report_task
        self._report_task = asyncio.create_task(
            _report_transaction(
                registry=registry,
                accepted=accepted,
                rejected=rejected,
                outcome=outcome,
                seconds=time.perf_counter() - started_at,
            )
        )
        return CommitResult(
            stored_ranges=stored_ranges, live_messages=live_messages + await self._detect_in_gaps(registry)
        )

    async def _save_checkpoint(self, tx: Transaction, state: AnalyzerState, ids: Sequence[int]) -> None:
        """About hourly, and when the process begins: what was known before these batches."""
        if ids and time.monotonic() >= self._checkpoint_due:
            await checkpoints.save_detector(tx, self._analyzer)
            await checkpoints.save_checkpoint(tx, self._analyzer, state, ids[0], list(self._store.areas))
            self._checkpoint_due = time.monotonic() + _CHECKPOINT_INTERVAL

    async def _detect_in_gaps(self, registry: Registry) -> list[LiveMessage]:
        """Detect over gaps that were filled, once nothing more comes for them. A failure only puts it off."""
        if time.monotonic() < self._gap_detection_due:
            return []
        self._gap_detection_due = time.monotonic() + _GAP_QUIET_SECONDS
        try:
            async with self._store.transaction() as tx:
                events = await late_data.detect_in_gaps(
                    tx, self._analyzer, registry, _GAP_QUIET_SECONDS, self._store.areas
                )
                live_messages = await write_outbox(tx, [], events, registry)
        except psycopg.Error as error:
            _LOG.warning("detection in gaps postponed: database unavailable", error=one_line(error))
            return []
        return live_messages

    async def _refresh_state(self, tx: Transaction, version: int) -> AnalyzerState:
        """What we know, brought up to date where an operator changed the registry.

        At start, and on every new connection, as last committed: the old one may have broken in a COMMIT whose
        outcome we do not know, and another gateway may have written for our areas since.
        """
        if self._state is None or self._lock_connection is not tx:
            self._anchored_clocks = frozenset()
            registry = await stations.load_registry(tx, areas=self._store.areas)
            quality = await event_store.load_states(tx, _QUALITY_COMPONENT, registry)
            detection = await event_store.load_states(tx, self._analyzer.detector.name, registry)
            return self._analyzer.load(registry, quality, detection)
        if self._state.registry.version == version:
            return self._state
        return await self._reload_registry(tx, self._state)

    async def _reload_registry(self, tx: Transaction, state: AnalyzerState) -> AnalyzerState:
        """The same memory with the registry read anew; new datastreams start fresh."""
        return self._analyzer.grow(state, await stations.load_registry(tx, state.registry, areas=self._store.areas))

    async def acquire_areas(self) -> None:
        """Return once the database answers and is ours to write; raises psycopg.OperationalError until then."""
        await self._store.ensure_connection()

    async def release_areas(self) -> None:
        """Let another gateway write for our areas; `ready` asks for them again."""
        await self._store.close()

    async def quarantine_payload(self, rejected: RejectedPayload) -> CommitResult:
        """Quarantine what the database would not take."""
        async with self._store.transaction() as tx:
            await quarantine.insert_payloads(tx, [rejected])
        telemetry.REJECTED_PAYLOADS.labels(rejected.reason.value).inc()
        return CommitResult()

    async def replay_quarantined(self, limit: int = 100) -> int:
        """Try again what operators asked for, one payload a transaction; returns how many there were."""
        async with self._store.transaction() as tx:
            requests = await quarantine.load_replay_requests(tx, limit, self._store.areas)
        for request in requests:
            outcome = await self._replay_payload(request)
            async with self._store.transaction() as tx:
                await quarantine.record_replay_outcomes(tx, {request.id: outcome})
        return len(requests)

    async def _replay_payload(self, request: quarantine.ReplayRequest) -> str:
        """What became of it. Refused again, it stays where it is, and no second copy is made."""
        async with self._store.transaction() as tx:
            state = await self._refresh_state(tx, await stations.load_version(tx))
            verified = decode_payload(request.payload, state.registry)
            if isinstance(verified, RejectedPayload):
                return verified.reason.value
            if request.reason is RejectionReason.UNKNOWN_PROPERTY:
                state, outcome = await self._store_new_properties(tx, state, verified)
                self._state = state  # only datastreams were added: true whatever becomes of the transaction
                return outcome
            accepted = await ledger.accept_batches(tx, [verified.build_header(state.registry)])
        if accepted.tampered:
            return RejectionReason.TAMPERED.value
        await self.process([request.payload])
        return "stored" if accepted.new else "duplicate"

    async def _store_new_properties(
        self, tx: Transaction, state: AnalyzerState, verified: VerifiedBatch
    ) -> tuple[AnalyzerState, str]:
        """Store those properties of a stored batch that nobody knew when it came."""
        stored_batch = await quarantine.find_stored_batch(tx, verified)
        if stored_batch is None:
            return state, "duplicate"
        id_, stored_properties = stored_batch
        new_values = {name: column for name, column in verified.batch.values.items() if name not in stored_properties}
        batch = msgspec.structs.replace(verified.batch, values=new_values, flags={}, hist=True)
        remainder = replace(verified, batch=batch)
        unplaced = find_unplaced([remainder.build_header(state.registry)])
        state = await self._create_datastreams(tx, state, unplaced)
        if unplaced.rejections:
            return state, RejectionReason.UNKNOWN_PROPERTY.value
        await observations.copy_observations(
            tx, prepare_records(place_observations([remainder], state.registry), state.registry), [id_]
        )
        return state, "stored" if new_values else "duplicate"

    @property
    def nodes(self) -> Mapping[str, Node]:
        """Every enrolled node, as of the last transaction."""
        return self._state.registry.nodes if self._state else {}

    async def _create_datastreams(
        self, tx: Transaction, state: AnalyzerState, unplaced: UnplacedValues
    ) -> AnalyzerState:
        """Create the datastreams that are missing."""
        if not unplaced.missing_datastreams:
            return state
        await stations.create_datastreams(tx, unplaced.missing_datastreams)
        return await self._reload_registry(tx, state)


async def _report_transaction(
    *,
    registry: Registry,
    accepted: ledger.AcceptedBatches,
    rejected: Sequence[RejectedPayload],
    outcome: BatchOutcome,
    seconds: float,
) -> None:
    """To the log and to Prometheus."""

    def write_report() -> None:
        transaction_log.log_transaction(registry, accepted, rejected, outcome.events)
        count_transaction(
            registry=registry,
            accepted=accepted,
            rejected=rejected,
            rows=outcome.rows,
            events=outcome.events,
            seconds=seconds,
        )

    try:
        await asyncio.sleep(REPORT_DELAY)
    finally:  # also when we end
        await asyncio.to_thread(write_report)
