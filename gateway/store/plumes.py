"""Gives each event its plume when it is stored. Called by ingest, inside the transaction that stores the event.

Only transactions that store events ask the database, once. psycopg.Error passes through to the caller.
"""

from collections.abc import Sequence
from datetime import datetime

from gateway.model.event import Event
from gateway.model.plume_membership import (
    LONGEST,
    WIDEST_WINDOW,
    StoredPlumeEvent,
    choose_plumes,
    is_public,
)
from gateway.model.registry import Registry
from gateway.store.connection import QUERIES, Transaction, fetch_all


async def assign_plumes(tx: Transaction, events: Sequence[Event], registry: Registry) -> dict[str, str]:
    """Return event id -> plume id: as stored, and of new events as `choose_plumes` decides.

    Events of the other kinds have none, unless they were peaks before.
    """
    if not events:
        return {}
    stored = await _select_plume_events(tx, events, registry)
    plumes = {member.id: member.plume for member in stored}
    newest = {event.id: event for event in events if is_public(event)}
    new = [(registry.stations[e.station].area, e) for e in newest.values() if e.id not in plumes]
    return plumes | choose_plumes(new, stored)


async def _select_plume_events(
    tx: Transaction, events: Sequence[Event], registry: Registry
) -> Sequence[StoredPlumeEvent]:
    """Load these events, as far as they are stored, and all that a new one of them could belong with."""
    first, last = min(event.onset for event in events), max(_last_moment(event) for event in events)
    values = {
        "ids": [event.id for event in events],
        "areas": sorted({registry.stations[event.station].area for event in events}),
        "since": first - LONGEST,
        "until": last + WIDEST_WINDOW,
        "not_over_before": first - 2 * WIDEST_WINDOW,
    }
    return await fetch_all(tx, StoredPlumeEvent, QUERIES["select_plume_events"], values)


def _last_moment(event: Event) -> datetime:
    return max(event.onset, event.end or event.detected_at)
