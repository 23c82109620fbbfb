"""Stamps of a clock that was not set, put right by what the same boot said once it was.

The node's own stamp stays what it is. A batch whose clock was trusted relates the time since boot to
the wall clock; every batch of that boot that was stamped before is then shifted by the difference,
in a column of its own (`observation_resolved` shows both).
"""

from collections.abc import Sequence

from edge_agent.wire import ClockState
from gateway.decoding.decode import BatchHeader
from gateway.store.connection import QUERIES, Transaction

Boot = tuple[str, str]  # node, boot id
AnchoredBoots = frozenset[Boot]  # whose clock was trusted once


async def record_clock_offsets(
    tx: Transaction, batches: Sequence[BatchHeader], batch_ids: Sequence[int], anchored: AnchoredBoots
) -> AnchoredBoots:
    """Keep new anchors and suspects; returns the boots that have an anchor now. `known`: those that had one."""
    anchors = {
        (b.node, b.boot): b.t0 - b.mono
        for b in reversed(batches)
        if b.clock is ClockState.SYNCED and (b.node, b.boot) not in anchored
    }
    suspects = [(b, id_) for b, id_ in zip(batches, batch_ids, strict=True) if b.clock is not ClockState.SYNCED]
    if suspects:
        await tx.execute(
            QUERIES["insert_clock_suspects"],
            {
                "batches": [id_ for _, id_ in suspects],
                "nodes": [b.node for b, _ in suspects],
                "boots": [b.boot for b, _ in suspects],
                "offsets": [b.t0 - b.mono for b, _ in suspects],
            },
        )
    if anchors:
        keys = {"nodes": [node for node, _ in anchors], "boots": [boot for _, boot in anchors]}
        await tx.execute(QUERIES["insert_clock_anchors"], {**keys, "offsets": list(anchors.values())})
        await tx.execute(QUERIES["update_suspect_shifts"], keys)
    return anchored | anchors.keys()
