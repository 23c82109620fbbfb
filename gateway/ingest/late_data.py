"""Late data: detection over a repaired gap, from a saved state, as it would have gone had nothing been missing.

Live detection goes on meanwhile and knows nothing of it. What is found here is told as found late, and is never
paged as if it happened now.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np

from gateway.decoding.decode import observed
from gateway.detection.analyzer import Memory, Senses
from gateway.model.event import Event, Kind
from gateway.model.observation import ObservationBatch
from gateway.model.registry import Registry
from gateway.model.timestamps import moment, stamp_of
from gateway.store import checkpoints
from gateway.store.connection import QUERIES, Transaction

_BEFORE = timedelta(minutes=5)
_AFTER = timedelta(hours=2, minutes=30)  # so long after a gap an event that began in it may last


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A span of one datastream that was filled late."""

    datastream: int  # database id
    since: datetime
    until: datetime


async def note(tx: Transaction, rows: ObservationBatch, registry: Registry) -> None:
    """Remember where late rows were filled in."""
    late = rows[rows.late]
    if not len(late):
        return
    spans = [(slot, late.observed_at[late.datastream == slot]) for slot in np.unique(late.datastream).tolist()]
    values = {
        "ids": [registry.datastreams[slot].id for slot, _ in spans],
        "since": [moment(times.min()) for _, times in spans],
        "until": [moment(times.max()) for _, times in spans],
    }
    await tx.execute(QUERIES["note_gaps"], values)


async def detect(
    tx: Transaction, senses: Senses, registry: Registry, quiet: float, areas: Sequence[str] = ("*",)
) -> list[Event]:
    """The events of every gap of these areas that is `quiet` seconds old; the gaps are closed with them."""
    gone = await tx.execute(QUERIES["repaired_gaps"], {"quiet": quiet, "areas": list(areas)})
    by_area: dict[str, list[Gap]] = defaultdict(list)
    for area, id_, since, until in await gone.fetchall():
        by_area[area].append(Gap(datastream=id_, since=since, until=until))
    found = []
    for area, gaps in by_area.items():
        found += await _of_area(tx, senses, registry, area, gaps)
    return found


async def _of_area(tx: Transaction, senses: Senses, registry: Registry, area: str, gaps: Sequence[Gap]) -> list[Event]:
    since, until = min(g.since for g in gaps) - _BEFORE, max(g.until for g in gaps)
    saved = await checkpoints.last(tx, senses, registry, area, batch=None, since=since)
    memory = saved[1] if saved else senses.initial(registry)
    rows = await _rows(tx, registry, area, _seen_until(memory), until + _AFTER)
    _, _, changes = senses.examine(memory, rows)
    newest = {event.id: event for event in changes}
    known = await _known(tx, gaps, since, until)
    streams = {d.id: d.slot for d in registry.datastreams}
    spans = {streams[g.datastream]: g for g in gaps if g.datastream in streams}
    return [
        msgspec.structs.replace(e, detected_late=True) for e in newest.values() if _missed(e, spans, known, registry)
    ]


def _missed(
    event: Event, spans: dict[int, Gap], known: list[tuple[str, int, datetime, datetime]], registry: Registry
) -> bool:
    """Whether the event began in a gap of its datastream, and live detection saw nothing of it."""
    gap = spans.get(event.datastream)
    if gap is None or event.kind is Kind.REGIONAL or not gap.since - _BEFORE <= event.onset <= gap.until:
        return False
    id_, end = registry.datastreams[event.datastream].id, event.end or event.peak_at
    return not any(
        known_id == event.id or (stream == id_ and onset <= end and event.onset <= over)
        for known_id, stream, onset, over in known
    )


async def _known(
    tx: Transaction, gaps: Sequence[Gap], since: datetime, until: datetime
) -> list[tuple[str, int, datetime, datetime]]:
    values = {"ids": [g.datastream for g in gaps], "since": since, "until": until + _AFTER}
    rows = await (await tx.execute(QUERIES["events_over"], values)).fetchall()
    far = datetime.max.replace(tzinfo=UTC)
    return [(id_, stream, onset, far if over is None else over) for id_, stream, onset, over in rows]


async def _rows(tx: Transaction, registry: Registry, area: str, since: datetime, until: datetime) -> ObservationBatch:
    """All that the area's stations measured in the span, by time, as if none of it had been late."""
    values = {"area": area, "since": since, "until": until}
    stored = await checkpoints.payloads(tx, "batches_of_span", values, registry)
    rows = observed((payload for _, payload in stored), registry)
    first, last = (stamp_of(at) for at in (since, until))
    rows = rows[(rows.observed_at > first) & (rows.observed_at <= last)]
    rows = rows[np.argsort(rows.observed_at, kind="stable")]
    return replace(rows, late=np.zeros(len(rows), np.bool_))


def _seen_until(memory: Memory) -> datetime:
    return moment(memory.detection.streams["at"].max(initial=0))
