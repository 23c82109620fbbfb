"""Stamps of a clock that was not set, put right by what the same boot said once it was.

The node's own stamp stays what it is. A batch whose clock was trusted relates the time since boot to
the wall clock; every batch of that boot that was stamped before is then shifted by the difference,
in a column of its own (`observation_resolved` shows both).
"""

from collections.abc import Sequence

from edge_agent.wire import Clock
from gateway.decoding.decode import Heading
from gateway.store.connection import QUERIES, Transaction

Boot = tuple[str, str]  # node, boot id
Anchored = frozenset[Boot]  # whose clock was trusted once


async def resolve(tx: Transaction, batches: Sequence[Heading], ids: Sequence[int], known: Anchored) -> Anchored:
    """Keep new anchors and suspects; returns the boots that have an anchor now. `known`: those that had one."""
    anchors = {
        (b.node, b.boot): b.t0 - b.mono
        for b in reversed(batches)
        if b.clock is Clock.SYNCED and (b.node, b.boot) not in known
    }
    suspects = [(b, id_) for b, id_ in zip(batches, ids, strict=True) if b.clock is not Clock.SYNCED]
    if suspects:
        await tx.execute(
            QUERIES["suspect_clocks"],
            {
                "batches": [id_ for _, id_ in suspects],
                "nodes": [b.node for b, _ in suspects],
                "boots": [b.boot for b, _ in suspects],
                "offsets": [b.t0 - b.mono for b, _ in suspects],
            },
        )
    if anchors:
        of = {"nodes": [node for node, _ in anchors], "boots": [boot for _, boot in anchors]}
        await tx.execute(QUERIES["anchor_clocks"], {**of, "offsets": list(anchors.values())})
        await tx.execute(QUERIES["shift_suspects"], of)
    return known | anchors.keys()
