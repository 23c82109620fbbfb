"""Store observations by binary COPY. Called by the ingest pipeline in its transaction."""

from collections.abc import Sequence

import numpy as np

from gateway.store.connection import QUERIES, Transaction
from gateway.store.copy_observations import HEADER, TRAILER, CopyRecords


async def copy_observations(tx: Transaction, groups: Sequence[CopyRecords], batch_ids: Sequence[int]) -> None:
    """Append the rows; `batch_index` of each group indexes `batch_ids`."""
    if not any(len(group.records) for group in groups):
        return
    batch_id_array = np.array(batch_ids, np.int64)
    async with tx.cursor() as cursor, cursor.copy(QUERIES["copy_observations"]) as out:
        await out.write(HEADER)
        for group in groups:
            await out.write(group.encode_records(batch_id_array))
        await out.write(TRAILER)
