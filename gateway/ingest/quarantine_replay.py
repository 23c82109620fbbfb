"""Replays quarantined payloads that operators asked for (`piekwacht quarantine replay`).

The consumer's maintenance calls it through the pipeline. Each payload gets its own transaction. A payload that is
rejected again stays in quarantine, and no second copy is made. Raises psycopg.Error if the database fails.
"""

from collections.abc import Awaitable, Callable, Sequence

from msgspec import structs

from gateway.decoding.decode import (
    Payload,
    RejectedPayload,
    VerifiedBatch,
    decode_payload,
    find_unplaced,
    place_observations,
)
from gateway.decoding.rejection import RejectionReason
from gateway.ingest.batch_outcome import VersionedState
from gateway.ingest.state import IngestState
from gateway.store import ledger, observations, quarantine, stations
from gateway.store.connection import QUERIES, Store, Transaction
from gateway.store.copy_observations import prepare_records

_STORED, _DUPLICATE = "stored", "duplicate"  # outcomes in the database beside the rejection reasons


class QuarantineReplay:
    """Replays for the areas of one store. `process` stores payloads as the pipeline does."""

    def __init__(
        self, store: Store, state: IngestState, process: Callable[[Sequence[Payload]], Awaitable[object]]
    ) -> None:
        self._store, self._state, self._process = store, state, process

    async def replay_requested(self, limit: int) -> int:
        """Replay at most `limit` requested payloads and record each outcome; return how many there were."""
        async with self._store.transaction() as tx:
            requests = await quarantine.load_replay_requests(tx, limit, self._store.areas)
        for request in requests:
            outcome = await self._replay_payload(request)
            async with self._store.transaction() as tx:
                await quarantine.record_replay_outcomes(tx, {request.id: outcome})
        return len(requests)

    async def _replay_payload(self, request: quarantine.ReplayRequest) -> str:
        """Return the outcome: stored, duplicate, or the reason of the new rejection."""
        if request.reason is RejectionReason.TOO_LONG:  # only its beginning is stored
            return request.reason.value
        async with self._store.transaction() as tx:
            state = await self._state.refresh(tx, await stations.load_version(tx))
            verified = decode_payload(request.payload, state.registry)
            if isinstance(verified, RejectedPayload):
                return verified.reason.value
            if request.reason is RejectionReason.UNKNOWN_PROPERTY:
                state, outcome = await self._store_new_properties(tx, state, verified)
                self._state.replace(state)
                return outcome
            accepted = await ledger.accept_batches(tx, [verified.build_header(state.registry)])
        if accepted.tampered:
            return RejectionReason.TAMPERED.value
        await self._process([request.payload])
        return _STORED if accepted.new else _DUPLICATE

    async def _store_new_properties(
        self, tx: Transaction, state: VersionedState, verified: VerifiedBatch
    ) -> tuple[VersionedState, str]:
        """Store the properties of a stored batch that were unknown when it arrived."""
        stored_batch = await quarantine.find_stored_batch(tx, verified)
        if stored_batch is None:
            return state, _DUPLICATE
        id_, stored_properties = stored_batch
        new_values = {name: column for name, column in verified.batch.values.items() if name not in stored_properties}
        batch = structs.replace(verified.batch, values=new_values, flags={}, hist=True)
        remainder = structs.replace(verified, batch=batch)
        unplaced = find_unplaced([remainder.build_header(state.registry)])
        state = await self._state.create_datastreams(tx, state, unplaced)
        if unplaced.rejections:
            return state, RejectionReason.UNKNOWN_PROPERTY.value
        records = prepare_records(place_observations([remainder], state.registry), state.registry)
        await observations.copy_observations(tx, records, [id_])
        await tx.execute(QUERIES["mark_batch_pending"], {"batch": id_})
        return state, _STORED if new_values else _DUPLICATE
