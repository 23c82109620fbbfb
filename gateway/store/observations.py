"""Observations into the database, at the speed of binary COPY."""

from collections.abc import Sequence

import numpy as np

from gateway.store.connection import QUERIES, Transaction
from gateway.store.copy_observations import HEADER, TRAILER, Run


async def copy(tx: Transaction, runs: Sequence[Run], batch_ids: Sequence[int]) -> None:
    """Append the rows; each run's `batch` indexes `batch_ids`."""
    if not any(len(run.records) for run in runs):
        return
    ids = np.array(batch_ids, np.int64)
    async with tx.cursor() as cursor, cursor.copy(QUERIES["copy_observations"]) as out:
        await out.write(HEADER)
        for run in runs:
            await out.write(run.numbered(ids))
        await out.write(TRAILER)
