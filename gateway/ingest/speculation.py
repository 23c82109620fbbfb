"""Speculation: decode and analyse the next micro-batch while the transaction before it still runs (docs/adr/0008).

Only the database knows which batches are new. If it contradicts the assumption that all are, or if the transaction
starts from another state than the computation did, the outcome is dropped and computed again. The work runs in threads;
it raises only what the decoder or the analyzer raise, which is nothing for any payload.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gateway import telemetry
from gateway.decoding.decode import BatchHeader, Payload
from gateway.decoding.decoded_payloads import DecodedPayloads
from gateway.detection.analyzer import Analyzer
from gateway.ingest.batch_outcome import BatchOutcome, VersionedState
from gateway.ingest.state import IngestState
from gateway.model.registry import Registry


@dataclass(frozen=True, kw_only=True)
class Speculation:
    """Decoded payloads on their way to `Pipeline.process`, with the outcome if all of them are new.

    state_known  set once it is known from which state the next micro-batch starts
    is_followed  whether another full micro-batch waits, so that this one may defer results
    """

    decoded: DecodedPayloads
    outcome: BatchOutcome | None
    is_followed: bool = False
    state_known: asyncio.Event = field(default_factory=asyncio.Event)

    def outcome_for(self, state: VersionedState, headers: Sequence[BatchHeader]) -> BatchOutcome | None:
        """Return the outcome if `headers` (the new batches) are all of them and it started from `state`."""
        outcome = self.outcome
        if outcome is None or outcome.version_before != state.version or len(headers) != len(self.decoded.headers):
            return None
        return outcome


class Speculator:
    """Computes outcomes: ahead of a transaction, or within it for a speculation that did not hold."""

    def __init__(
        self,
        analyzer: Analyzer,
        state: IngestState,
        decode: Callable[[Sequence[Payload], Registry], DecodedPayloads],
    ) -> None:
        self._analyzer, self._state, self._decode = analyzer, state, decode

    async def speculate(
        self, payloads: Sequence[Payload], previous: Speculation | None, *, is_followed: bool
    ) -> Speculation:
        """Verify signatures at once; compute the outcome as soon as the state after `previous` is known.

        That state is known when the transaction of `previous` begins to write, long before its COMMIT.
        """
        state = self._state.expected
        decoded = DecodedPayloads(payloads=payloads, registry=None)
        if state is not None:
            decoded = await asyncio.to_thread(self._decode, payloads, state.registry)
        if previous is not None:
            await previous.state_known.wait()
        state = self._state.expected
        if state is None:
            return Speculation(decoded=decoded, outcome=None, is_followed=is_followed)
        return await asyncio.to_thread(self._speculate, decoded, state, is_followed=is_followed)

    def _speculate(self, decoded: DecodedPayloads, state: VersionedState, *, is_followed: bool) -> Speculation:
        decoded = decoded.with_registry(state.registry)
        outcome = self.compute_outcome(state, decoded, decoded.headers, with_live=not is_followed)
        return Speculation(decoded=decoded, outcome=outcome, is_followed=is_followed)

    def compute_outcome(
        self,
        state: VersionedState,
        decoded: DecodedPayloads,
        headers: Sequence[BatchHeader],
        *,
        with_live: bool = True,
    ) -> BatchOutcome:
        """Flags and detection of the batches of `headers`; blocks for milliseconds, so call it in a thread."""
        rows = decoded.with_registry(state.registry).select_rows(headers)
        with telemetry.DETECT_SECONDS.time():
            return BatchOutcome.compute(self._analyzer, state, headers, rows, with_live=with_live)
