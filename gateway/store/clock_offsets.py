"""Corrections for batches whose clock was not yet set, from a trusted clock in the same boot.

The node's own timestamp never changes. A batch with a trusted clock relates the time since boot to
the wall clock. Every earlier batch of that boot then gets the difference as its shift, in a separate
column (`observation_resolved` shows both times).
"""

from collections.abc import Sequence

from edge_agent.wire import ClockState
from gateway.decoding.decode import BatchHeader
from gateway.store.connection import QUERIES, Transaction

Boot = tuple[str, str]  # node, boot id
AnchoredBoots = frozenset[Boot]  # boots with a trusted clock at some time


async def record_clock_offsets(
    tx: Transaction, batches: Sequence[BatchHeader], batch_ids: Sequence[int], anchored: AnchoredBoots
) -> AnchoredBoots:
    """Store new anchors and suspects; return all boots with an anchor. `anchored`: those that had one before."""
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
