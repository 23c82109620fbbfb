"""When the pipeline saves a checkpoint: with the first batches of the process, then hourly."""

import time
from collections.abc import Sequence

from gateway.detection.analyzer import Analyzer, AnalyzerState
from gateway.store import checkpoints
from gateway.store.connection import Transaction

_INTERVAL_SECONDS = 3_600.0


class CheckpointSchedule:
    """Due time of the next checkpoint of these areas."""

    def __init__(self, analyzer: Analyzer, areas: Sequence[str]) -> None:
        self._analyzer, self._areas = analyzer, areas
        self._due_at = 0.0  # monotonic clock

    async def save_if_due(self, tx: Transaction, state: AnalyzerState, batch_ids: Sequence[int]) -> None:
        """Save the state before these batches. Raises psycopg.Error."""
        if batch_ids and time.monotonic() >= self._due_at:
            await checkpoints.save_detector(tx, self._analyzer)
            await checkpoints.save_checkpoint(tx, self._analyzer, state, batch_ids[0], list(self._areas))
            self._due_at = time.monotonic() + _INTERVAL_SECONDS
