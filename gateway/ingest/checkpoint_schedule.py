"""When the pipeline saves a checkpoint: with the first batches of the process, then hourly."""

import time
from collections.abc import Sequence

from gateway.detection.analyzer import Analyzer, AnalyzerState
from gateway.store import checkpoints
from gateway.store.connection import Transaction

_INTERVAL_SECONDS = 3_600.0


class CheckpointSchedule:
    """Due time of the next checkpoint of these areas; a failed transaction does not change it."""

    def __init__(self, analyzer: Analyzer, areas: Sequence[str]) -> None:
        self._analyzer, self._areas = analyzer, areas
        self._due_at = self._next_due_at = float("-inf")  # monotonic clock; the second one holds after COMMIT

    async def save_if_due(self, tx: Transaction, state: AnalyzerState, batch_ids: Sequence[int]) -> None:
        """Save the state before these batches; `commit` after COMMIT. Raises psycopg.Error."""
        self._next_due_at = self._due_at
        if batch_ids and time.monotonic() >= self._due_at:
            await checkpoints.save_detector(tx, self._analyzer)
            await checkpoints.save_checkpoint(tx, self._analyzer, state, batch_ids[0], list(self._areas))
            self._next_due_at = time.monotonic() + _INTERVAL_SECONDS

    def commit(self) -> None:
        """Remember that the transaction stored what it saved."""
        self._due_at = self._next_due_at
