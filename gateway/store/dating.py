"""Dates pending batches again: their rows move to the time that is believed. Called by ingest after its transaction.

One transaction decides and moves one group of batches of one boot. A process that dies leaves the group pending.
Raises psycopg.Error.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby

from edge_agent.wire import UNDATED_FLAGS
from gateway.model.clock_anchor import PendingBatch
from gateway.model.registry import Registry
from gateway.store.connection import QUERIES, Transaction, fetch_all

_GROUP_SIZE = 50  # batches
_SETTING_MS = 60_000  # ms; stamps of clocks that differ by more are searched separately


@dataclass(frozen=True, kw_only=True)
class DatedSpan:
    """The time span that rows of one datastream moved to. `datastream_id` is the database id."""

    datastream_id: int
    since: datetime
    until: datetime


@dataclass(frozen=True, kw_only=True)
class DatedGroup:
    """Batches of one boot that were dated.

    has_moved  whether any row has another time or other flags than before
    spans      where readings are new to detection: those whose stamps were not believed
    """

    batches: Sequence[PendingBatch]
    has_moved: bool
    spans: Sequence[DatedSpan] = field(default_factory=list)


async def date_group(tx: Transaction, registry: Registry, areas: Sequence[str]) -> DatedGroup | None:
    """Date a group of pending batches of these areas; None if there are none."""
    values = {"areas": list(areas), "limit": _GROUP_SIZE}
    batches = await fetch_all(tx, PendingBatch, QUERIES["select_pending_suspects"], values)
    if not batches:
        return None
    spans: list[DatedSpan] = []
    moving = sorted((b for b in batches if b.moves and b.shift_ms is not None), key=_move_key)
    for _, group in groupby(moving, _move_key):
        spans += await _move(tx, registry, list(group))
    shifts = [batch.applied_ms if batch.shift_ms is None else batch.shift_ms for batch in batches]
    await tx.execute(QUERIES["record_shifts"], {"batches": [b.batch_id for b in batches], "shifts": shifts})
    return DatedGroup(batches=batches, has_moved=bool(moving), spans=spans)


def _move_key(batch: PendingBatch) -> tuple[bool, int, int]:
    """Batches of one setting of the clock lie side by side."""
    return batch.doubt is not None, batch.applied_ms or 0, batch.anchor_shift_ms // _SETTING_MS


async def _move(tx: Transaction, registry: Registry, batches: Sequence[PendingBatch]) -> list[DatedSpan]:
    """Move the rows of batches with one earlier shift; return the spans that detection has not seen."""
    stamps = [at for b in batches for at in (b.first_at, b.last_at) if at is not None]
    since, until = min(stamps), max(stamps)
    earlier_shift = timedelta(milliseconds=batches[0].applied_ms or 0)
    slots = registry.slots_by_node.get(batches[0].node, ())
    values = {
        "datastreams": [registry.datastreams[slot].id for slot in slots],
        "batches": [batch.batch_id for batch in batches],
        "shifts": [batch.shift_ms for batch in batches],
        "undated": int(UNDATED_FLAGS),
        "since": since,
        "until": until,
        "moved_since": since + earlier_shift,
        "moved_until": until + earlier_shift,
    }
    await tx.execute(QUERIES["allow_large_moves"])
    spans = await fetch_all(tx, DatedSpan, QUERIES["move_observations"], values)
    return spans if batches[0].doubt is not None else []
