"""Tracks and cells as routes and pages show them. Values of the readings that count; the rest is null.

Raises HTTPException 404 for a track that is not there, and 503 if the database is away.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from fastapi import HTTPException
from numpy.typing import NDArray

from gateway.api.data.database import Database
from gateway.api.data.registry import MobileRow, PublicRegistry
from gateway.model.mobile_station import Vehicle
from gateway.tracks.background import compute_background
from gateway.tracks.loading import Readings, load_positions, load_readings
from gateway.tracks.plan import match_values
from gateway.tracks.positions import FloatColumn, Positions, judge_positions
from gateway.tracks.privacy import find_public


@dataclass(frozen=True, kw_only=True)
class TrackRow:
    """A row of `select_tracks` or `select_track`."""

    id: str
    station: str
    area: str
    start: datetime
    end: datetime
    metres: float
    positions: int


@dataclass(frozen=True, kw_only=True)
class MeasuredTrack:
    """A track with what was measured along it: values and background by property, each (n,); NaN: none."""

    row: TrackRow
    carrier: MobileRow
    positions: Positions
    flags: NDArray[np.int32]
    values: Mapping[str, tuple[FloatColumn, FloatColumn]]


async def fetch_track_row(database: Database, id_: str) -> TrackRow:
    """A track by its id, with its whole span."""
    rows = await database.fetch(TrackRow, "select_track", {"id": id_})
    if not rows:
        raise HTTPException(404, f"no track {id_[:80]!r}")
    return rows[0]


async def measure_track(
    database: Database, registry: PublicRegistry, row: TrackRow, *, exact: bool = False
) -> MeasuredTrack:
    """Load a track. `exact`: also what is hidden of a resident's. HTTPException 404 if nothing of it may be shown."""
    carrier = registry.mobile_stations.get(row.station)
    if carrier is None:
        raise HTTPException(404, f"the station of track {row.id[:80]!r} is no longer in the registry")
    values: dict[str, object] = {"station": row.station, "start": row.start, "end": row.end}
    async with database.costly_connection() as connection:
        positions = await load_positions(connection, values)
        readings = await load_readings(connection, values)
    track = await asyncio.to_thread(_measure, row, carrier, positions, readings, exact)
    if not len(track.positions):
        raise HTTPException(404, f"nothing of track {row.id[:80]!r} is public")
    return track


def _measure(row: TrackRow, carrier: MobileRow, whole: Positions, readings: Readings, exact: bool) -> MeasuredTrack:  # noqa: FBT001 - for to_thread
    is_shown = find_public(whole, row.station) if carrier.is_private and not exact else np.ones(len(whole), np.bool_)
    flags = judge_positions(whole, Vehicle(carrier.vehicle), has_exhaust=carrier.has_exhaust)
    values = {}
    for name, (times, numbers) in readings.items():
        matched = match_values(whole.times, times, numbers)
        values[name] = matched[is_shown], compute_background(whole.times, matched)[is_shown]
    return MeasuredTrack(row=row, carrier=carrier, positions=whole[is_shown], flags=flags[is_shown], values=values)
