"""Late data: detection over a repaired gap, from a checkpoint, as if nothing had been missing.

The pipeline records gaps in its transaction and runs the detection after COMMIT. Live detection continues without its
results. Its events are marked `detected_late` and never page anybody as if they happened now.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import psycopg
from msgspec import structs

from alerting.errors import one_line
from alerting.log import get_logger
from edge_agent.wire import UNDATED_FLAGS
from gateway.decoding.decode import decode_observations
from gateway.detection.analyzer import Analyzer, AnalyzerState
from gateway.detection.row_order import order_rows
from gateway.ingest.outbox import write_outbox
from gateway.live.message import LiveMessage
from gateway.model.event import Event, EventKind
from gateway.model.observation import ObservationBatch
from gateway.model.registry import Registry
from gateway.model.timestamps import from_ms, to_ms
from gateway.store import checkpoints
from gateway.store.batches import load_batches_in_span
from gateway.store.connection import QUERIES, Store, Transaction, fetch_all

_LOG = get_logger("gateway.ingest")
_GAP_QUIET_SECONDS = 60.0  # without a late reading, after which a gap counts as repaired
_MARGIN_BEFORE = timedelta(minutes=5)
_MARGIN_AFTER = timedelta(hours=2, minutes=30)  # longest time that an event which began in a gap lasts after it


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A time span of one datastream that late readings filled. `datastream` is the database id."""

    datastream: int
    since: datetime
    until: datetime


@dataclass(frozen=True, kw_only=True)
class KnownEvent:
    """A stored event that overlaps a gap.

    ended_without_data  it ended only because no reading followed
    is_open_late        it was found in late data, and its end is not known yet
    """

    id: str
    datastream_id: int
    onset: datetime
    ended_at: datetime | None
    revision: int
    ended_without_data: bool
    is_open_late: bool


class LateDataDetector:
    """Runs the detection over repaired gaps of one store's areas, once no more late readings arrive."""

    def __init__(self, store: Store, analyzer: Analyzer) -> None:
        self._store, self._analyzer = store, analyzer
        self._due_at = 0.0  # monotonic clock; due at once, as the process before this one may have left gaps

    def postpone(self) -> None:
        """Wait until no late reading has arrived for a while."""
        self._due_at = time.monotonic() + _GAP_QUIET_SECONDS

    async def run_if_due(self, registry: Registry) -> list[LiveMessage]:
        """Detect and store events of repaired gaps, and return them for viewers. A database failure postpones it."""
        if time.monotonic() < self._due_at:
            return []
        self.postpone()
        try:
            async with self._store.transaction() as tx:
                events = await detect_in_gaps(tx, self._analyzer, registry, _GAP_QUIET_SECONDS, self._store.areas)
                return await write_outbox(tx, [], events, registry)
        except psycopg.Error as error:
            _LOG.warning("detection in gaps postponed: database unavailable", error=one_line(error))
            return []


async def record_gaps(tx: Transaction, rows: ObservationBatch, registry: Registry) -> None:
    """Record the time spans that late rows filled, per datastream. Undated rows fill none until they are dated."""
    late_rows = rows[rows.late & ((rows.flags & int(UNDATED_FLAGS)) == 0)]
    if not len(late_rows):
        return
    spans = [
        (slot, late_rows.observed_at[late_rows.datastream == slot]) for slot in np.unique(late_rows.datastream).tolist()
    ]
    await upsert_gaps(
        tx,
        [
            Gap(datastream=registry.datastreams[slot].id, since=from_ms(times.min()), until=from_ms(times.max()))
            for slot, times in spans
        ],
    )


async def upsert_gaps(tx: Transaction, gaps: Sequence[Gap]) -> None:
    """Record gaps; each is one with an earlier gap of its datastream. At most one per datastream."""
    values = {
        "ids": [gap.datastream for gap in gaps],
        "since": [gap.since for gap in gaps],
        "until": [gap.until for gap in gaps],
    }
    await tx.execute(QUERIES["upsert_gaps"], values)


async def detect_in_gaps(
    tx: Transaction, analyzer: Analyzer, registry: Registry, quiet_seconds: float, areas: Sequence[str] = ("*",)
) -> list[Event]:
    """Return the events of all gaps without late readings for `quiet_seconds`, and close these gaps.

    A gap whose event has no end yet stays: live detection does not know that event, so it would never end.
    """
    cursor = await tx.execute(QUERIES["take_repaired_gaps"], {"quiet": quiet_seconds, "areas": list(areas)})
    by_area: dict[str, list[Gap]] = defaultdict(list)
    for area, id_, since, until in await cursor.fetchall():
        by_area[area].append(Gap(datastream=id_, since=since, until=until))
    events = []
    for area, gaps in by_area.items():
        events += await _detect_in_area(tx, analyzer, registry, area, gaps)
    return events


async def _detect_in_area(
    tx: Transaction, analyzer: Analyzer, registry: Registry, area: str, gaps: Sequence[Gap]
) -> list[Event]:
    since, until = min(g.since for g in gaps) - _MARGIN_BEFORE, max(g.until for g in gaps)
    checkpoint = await checkpoints.load_checkpoint(tx, analyzer, registry, area, batch=None, since=since)
    state = checkpoint.state if checkpoint else analyzer.initial(registry)
    rows = await _load_rows(tx, registry, area, _last_observed_at(state), until + _MARGIN_AFTER)
    _, _, changes = analyzer.analyze(state, rows)
    event_by_id = {event.id: event for event in changes}
    known_events = await _load_known_events(tx, gaps, since, until)
    slot_by_id = {d.id: d.slot for d in registry.datastreams}
    gap_by_slot = {slot_by_id[g.datastream]: g for g in gaps if g.datastream in slot_by_id}
    late_events = []
    for event in event_by_id.values():
        stored = known_events.get(event.id)
        if stored is not None and _continues(event, stored, gap_by_slot):
            late_events.append(structs.replace(event, revision=stored.revision + 1, detected_late=True))
        elif _is_missed(event, gap_by_slot, known_events.values(), registry):
            late_events.append(structs.replace(event, detected_late=True))
    open_ids = {id_ for id_, stored in known_events.items() if stored.is_open_late}
    open_ids |= {event.id for event in late_events}
    unfinished = {event.datastream for event in event_by_id.values() if event.end is None and event.id in open_ids}
    await upsert_gaps(tx, [gap for slot, gap in gap_by_slot.items() if slot in unfinished])
    return late_events


def _continues(event: Event, stored: KnownEvent, gap_by_slot: dict[int, Gap]) -> bool:
    """Whether the readings show another end than the stored one, or the end of an event that was open until now."""
    return (
        (stored.ended_without_data or stored.is_open_late)
        and event.datastream in gap_by_slot
        and event.end is not None
        and event.end != stored.ended_at
    )


def _is_missed(
    event: Event, gap_by_slot: dict[int, Gap], known_events: Iterable[KnownEvent], registry: Registry
) -> bool:
    """Whether the event began in a gap of its datastream and live detection missed it."""
    gap = gap_by_slot.get(event.datastream)
    if gap is None or event.kind is EventKind.REGIONAL or not gap.since - _MARGIN_BEFORE <= event.onset <= gap.until:
        return False
    id_, end = registry.datastreams[event.datastream].id, event.end or event.peak_at
    return not any(
        stored.id == event.id
        or (
            stored.datastream_id == id_
            and stored.onset <= end
            and (stored.ended_at is None or event.onset <= stored.ended_at)
        )
        for stored in known_events
    )


async def _load_known_events(
    tx: Transaction, gaps: Sequence[Gap], since: datetime, until: datetime
) -> dict[str, KnownEvent]:
    values = {"ids": [g.datastream for g in gaps], "since": since, "until": until + _MARGIN_AFTER}
    rows = await fetch_all(tx, KnownEvent, QUERIES["select_overlapping_events"], values)
    return {stored.id: stored for stored in rows}


async def _load_rows(
    tx: Transaction, registry: Registry, area: str, since: datetime, until: datetime
) -> ObservationBatch:
    """Load all observations of the area in the time span, ordered by time, as if none had been late."""
    batches = await load_batches_in_span(tx, area, since, until)
    rows = decode_observations((batch.to_payload(registry) for batch in batches), registry)
    first, last = (to_ms(at) for at in (since, until))
    rows = rows[(rows.observed_at > first) & (rows.observed_at <= last)]
    rows = order_rows(rows, registry)
    return replace(rows, late=np.zeros(len(rows), np.bool_))


def _last_observed_at(state: AnalyzerState) -> datetime:
    return from_ms(state.detection.streams["at"].max(initial=0))
