"""Plan the tracks of a station: spans, and passes through cells. Pure; the follower stores them."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from alerting.averaging import average_values
from gateway.model.mobile_station import Vehicle
from gateway.model.properties import SHOWN_PROPERTIES, average_of
from gateway.tracks.background import compute_background
from gateway.tracks.cells import CellPass, find_passes
from gateway.tracks.positions import FloatColumn, Positions, TimeColumn, cut_tracks, judge_positions
from gateway.tracks.privacy import find_public

_ID_CHARACTERS = 12


class Carrier(Struct, frozen=True, kw_only=True):
    """Vehicle of a station; see gateway.model.mobile_station."""

    vehicle: Vehicle
    has_exhaust: bool
    is_private: bool


@dataclass(frozen=True, kw_only=True)
class PlannedTrack:
    """A track: the whole, the part that anyone may read, and (property, pass) of each passage through a cell."""

    id: str
    whole: Positions
    shown: Positions
    passes: list[tuple[str, CellPass]]


def name_track(station: str, began_ms: int) -> str:
    """The id of a track, from the begin of its shown part: a guesser finds out nothing about the hidden one."""
    digest = hashlib.sha256(f"{station}\n{began_ms}".encode()).hexdigest()
    return f"{station}-{digest[:_ID_CHARACTERS]}"


def match_values(times: TimeColumn, value_times: TimeColumn, values: FloatColumn) -> FloatColumn:
    """Return the value at each position (n,); NaN if its property has no valid reading of that moment."""
    matched = np.full(len(times), np.nan)
    if len(value_times):
        places = np.searchsorted(value_times, times).clip(max=len(value_times) - 1)
        is_equal = value_times[places] == times
        matched[is_equal] = values[places[is_equal]]
    return matched


def plan_tracks(
    station: str,
    carrier: Carrier,
    positions: Positions,
    readings: Mapping[str, tuple[TimeColumn, FloatColumn]],
) -> list[PlannedTrack]:
    """Cut positions into tracks and find their passes. `readings`: times (ms) and valid values of each property."""
    tracks = []
    for whole in cut_tracks(positions):
        is_shown = find_public(whole, station) if carrier.is_private else np.ones(len(whole), np.bool_)
        shown = whole[is_shown]
        id_ = name_track(station, int((shown if len(shown) else whole).times[0]))
        passes = list(_find_all_passes(whole, is_shown, carrier, readings))
        tracks.append(PlannedTrack(id=id_, whole=whole, shown=shown, passes=passes))
    return tracks


def _find_all_passes(
    whole: Positions,
    is_shown: NDArray[np.bool_],
    carrier: Carrier,
    readings: Mapping[str, tuple[TimeColumn, FloatColumn]],
) -> Iterator[tuple[str, CellPass]]:
    """Yield the passes of each property that pages show. A drone has none: its air is not that of the street."""
    if carrier.vehicle is Vehicle.DRONE:
        return
    counts = is_shown & (judge_positions(whole, carrier.vehicle, has_exhaust=carrier.has_exhaust) == 0)
    for name, (times, values) in readings.items():
        if name not in SHOWN_PROPERTIES:
            continue
        matched = match_values(whole.times, times, values)
        background = compute_background(whole.times, matched)
        average = partial(average_values, rule=average_of(name))
        for cell_pass in find_passes(whole, np.where(counts, matched, np.nan), background, average):
            yield name, cell_pass
