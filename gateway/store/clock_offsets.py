"""Anchors of boots and batches of unset clocks, recorded by the ingest transaction.

A batch with a trusted clock is an anchor: it relates the time since boot to the wall clock. Every batch of that boot
with an unset clock is then pending, and `gateway.store.dating` gives it the time that is believed. The pending batches
follow from the tables alone, so that a process that dies loses nothing.
"""

from collections.abc import Mapping, Sequence

from edge_agent.wire import ClockState
from gateway.decoding.decode import BatchHeader
from gateway.model.clock_anchor import Anchor, Boot
from gateway.model.timestamps import from_ms
from gateway.store.connection import QUERIES, Transaction

Anchors = Mapping[Boot, Anchor]  # the best anchor of each boot that this process has seen


async def record_clock_offsets(
    tx: Transaction, batches: Sequence[BatchHeader], batch_ids: Sequence[int], anchors: Anchors
) -> Anchors:
    """Store new anchors and suspects; return the anchors of all boots. Set clocks with an anchor cost no statement."""
    new_anchors = find_new_anchors(batches, anchors)
    if new_anchors:
        await _store_anchors(tx, new_anchors)
    suspects = [(b, id_) for b, id_ in zip(batches, batch_ids, strict=True) if is_suspect(b)]
    if suspects:
        await _store_suspects(tx, suspects)
    return {**anchors, **new_anchors} if new_anchors else anchors


def is_suspect(header: BatchHeader) -> bool:
    """Whether an anchor may correct its stamps."""
    return header.clock is not ClockState.SYNCED or header.clock_doubt is not None


def read_anchor(header: BatchHeader) -> Anchor | None:
    """Return the clock offset of its boot; None if its stamps are not believed, or it has no time since boot."""
    synced = header.clock is ClockState.SYNCED
    if header.clock_doubt is not None or header.mono == 0:
        return None
    return Anchor(offset_ms=header.t0 - header.mono, mono=header.mono, synced=synced)


def find_new_anchors(batches: Sequence[BatchHeader], anchors: Anchors) -> dict[Boot, Anchor]:
    """Return the anchors that are better than those we have."""
    new: dict[Boot, Anchor] = {}
    for header in batches:
        boot = header.node, header.boot
        anchor = None if _is_later_synced(header, new.get(boot) or anchors.get(boot)) else read_anchor(header)
        if anchor is not None and anchor.is_better_than(new.get(boot) or anchors.get(boot)):
            new[boot] = anchor
    return new


def _is_later_synced(header: BatchHeader, anchor: Anchor | None) -> bool:
    """Whether the header cannot give a better anchor than this one of a set clock; nearly every one is like this."""
    return anchor is not None and anchor.synced and header.mono >= anchor.mono


async def _store_anchors(tx: Transaction, anchors: Anchors) -> None:
    keys = {"nodes": [node for node, _ in anchors], "boots": [boot for _, boot in anchors]}
    columns = {
        "offsets": [anchor.offset_ms for anchor in anchors.values()],
        "monos": [anchor.mono for anchor in anchors.values()],
        "synced": [anchor.synced for anchor in anchors.values()],
    }
    await tx.execute(QUERIES["upsert_clock_anchors"], {**keys, **columns})
    await tx.execute(QUERIES["mark_pending_suspects"], keys)


async def _store_suspects(tx: Transaction, suspects: Sequence[tuple[BatchHeader, int]]) -> None:
    await tx.execute(
        QUERIES["insert_clock_suspects"],
        {
            "batches": [id_ for _, id_ in suspects],
            "nodes": [b.node for b, _ in suspects],
            "boots": [b.boot for b, _ in suspects],
            "offsets": [b.t0 - b.mono if b.mono else None for b, _ in suspects],
            "doubts": [b.clock_doubt for b, _ in suspects],
            "first": [from_ms(b.earliest_ms) for b, _ in suspects],
            "last": [from_ms(b.latest_ms) for b, _ in suspects],
        },
    )
