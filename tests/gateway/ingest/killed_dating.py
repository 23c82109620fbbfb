"""`python -m tests.gateway.ingest.killed_dating DSN POINT COUNT`: date pending batches, and die at the COUNT-th POINT.

The points are added from outside, as in tests.faults.failpoints. POINT `none`: date all, and end.
"""

import asyncio
import os
import signal
import sys

from gateway.ingest import dating as ingest_dating
from gateway.ingest.dating import BatchDating
from gateway.store import dating, stations
from gateway.store.connection import Store
from tests.faults.failpoints import wrap_after, wrap_before

POINTS = {
    "before_move": (wrap_before, dating, "_move"),
    "after_move": (wrap_after, dating, "_move"),
    "after_shifts": (wrap_after, dating, "date_group"),
    "after_gaps": (wrap_after, ingest_dating, "upsert_gaps"),
    "after_commit": (wrap_before, ingest_dating, "_report"),
}


def arm(name: str, count: int) -> None:
    remaining = [count]

    def reach_point() -> None:
        remaining[0] -= 1
        if remaining[0] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    wrap, owner, attribute = POINTS[name]
    wrap(owner, attribute, reach_point)
    ingest_dating.date_group = dating.date_group


async def date_all(dsn: str) -> None:
    store = Store(dsn)
    async with store.transaction() as tx:
        registry = await stations.load_registry(tx)
    batch_dating = BatchDating(store)
    while await batch_dating.run_if_requested(registry):
        pass
    await store.close()


if __name__ == "__main__":
    if sys.argv[2] != "none":
        arm(sys.argv[2], int(sys.argv[3]))
    asyncio.run(date_all(sys.argv[1]))
