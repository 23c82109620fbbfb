"""Positions of a mobile station in columns: read from signed batches, cut into tracks, judged. Pure.

The follower stores what `read_positions` returns; routes judge the positions of a track whenever they show it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntFlag
from typing import Self

import numpy as np
from numpy.typing import NDArray

from edge_agent.wire import MalformedError, NoteError, ReadingBatch, split_note
from gateway.model.geodesy import METRES_PER_DEGREE
from gateway.model.mobile_station import Vehicle

FloatColumn = NDArray[np.float64]
TimeColumn = NDArray[np.int64]

GAP_MS = 600_000  # a longer pause ends a track
_SPEED_MS = 2_000
_EXHAUST_MS = 10_000  # so long after a stop the own exhaust may still be around
_EXHAUST_SPEED = 1.5  # m/s; a slower vehicle stands in its own exhaust
_LEAP_SPEED = 60.0  # m/s; no vehicle here is that fast: the receiver lost its place
# m/s above which the flow at the inlet differs too much from that of the air; our own choice, as sensors state none
_SAMPLING_SPEED = {Vehicle.CAR: 14.0, Vehicle.BICYCLE: 10.0, Vehicle.BOAT: 14.0, Vehicle.DRONE: 12.0}


class TrackFlag(IntFlag):
    """Doubt about a position. A flagged position is shown with its reason and counts in no cell."""

    TOO_FAST = 1
    OWN_EXHAUST = 2
    LEAP = 4


@dataclass(frozen=True, kw_only=True)
class Positions:
    """n positions, ascending in time; all arrays (n,). Times in ms UTC, degrees WGS 84, altitude in metres."""

    times: TimeColumn
    latitude: FloatColumn
    longitude: FloatColumn
    altitude: FloatColumn

    def __len__(self) -> int:
        return len(self.times)

    def __getitem__(self, rows: slice | NDArray[np.bool_ | np.integer]) -> Self:
        """The chosen rows."""
        return type(self)(
            times=self.times[rows],
            latitude=self.latitude[rows],
            longitude=self.longitude[rows],
            altitude=self.altitude[rows],
        )

    @property
    def steps(self) -> FloatColumn:
        """Metres from the preceding position (n,); 0 for the first."""
        return np.concatenate([[0.0], measure_distance(self[:-1], self[1:])]) if len(self) else np.zeros(0)

    @property
    def speeds(self) -> FloatColumn:
        """Speed in m/s over the last two seconds or more (n,); the first positions have that of the next two seconds.

        Several sensors of a node share its receiver: positions a few milliseconds apart would give absurd speeds.
        """
        if len(self) < 2:
            return np.zeros(len(self))
        rows = np.arange(len(self))
        before = np.searchsorted(self.times, self.times - _SPEED_MS, "right") - 1
        after = np.searchsorted(self.times, self.times + _SPEED_MS, "left").clip(max=len(self) - 1)
        first, last = np.where(before >= 0, before, rows), np.where(before >= 0, rows, after)
        seconds = np.maximum(self.times[last] - self.times[first], 1) / 1_000
        speeds: FloatColumn = measure_distance(self[first], self[last]) / seconds
        return speeds


def measure_distance(here: Positions, there: Positions) -> FloatColumn:
    """Metres between positions, pair by pair (n,), on a plane: right to a percent within some tens of kilometres."""
    north = (there.latitude - here.latitude) * METRES_PER_DEGREE
    east = (there.longitude - here.longitude) * METRES_PER_DEGREE * np.cos(np.radians(here.latitude))
    return np.hypot(east, north)


def read_positions(payload: bytes) -> Iterator[tuple[int, float, float, float]]:
    """Yield (ms UTC, latitude, longitude, altitude) of the readings of a signed batch that have a place on Earth.

    The batch was verified when it was stored. One without positions gives none.
    """
    try:
        batch = ReadingBatch.decode(split_note(payload)[0])
    except (MalformedError, NoteError):  # of an older contract
        return
    for dt, (latitude, longitude, altitude) in zip(batch.dt, batch.pos or (), strict=False):
        is_on_earth = abs(latitude) <= 90 and abs(longitude) <= 180 and abs(altitude) <= 10_000
        if is_on_earth and (latitude or longitude):  # 0, 0 is what receivers send before their first fix
            yield batch.t0 + dt, latitude, longitude, altitude


def cut_tracks(positions: Positions) -> list[Positions]:
    """Cut where no position follows for ten minutes."""
    borders = np.flatnonzero(np.diff(positions.times) > GAP_MS) + 1
    ends = [*borders.tolist(), len(positions)]
    return [positions[slice(start, end)] for start, end in zip([0, *ends[:-1]], ends, strict=True) if end > start]


def judge_positions(positions: Positions, vehicle: Vehicle, *, has_exhaust: bool) -> NDArray[np.int32]:
    """Return TrackFlag of each position (n,)."""
    speeds = positions.speeds
    flags = np.zeros(len(positions), np.int32)
    flags[speeds > _SAMPLING_SPEED[vehicle]] |= TrackFlag.TOO_FAST
    flags[speeds > _LEAP_SPEED] |= TrackFlag.LEAP
    if has_exhaust and len(positions):
        flags[_is_soon_after(positions.times, speeds < _EXHAUST_SPEED)] |= TrackFlag.OWN_EXHAUST
    return flags


def _is_soon_after(times: TimeColumn, is_slow: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether the vehicle was slow at a time, or within ten seconds before it (n,)."""
    slow_since = np.maximum.accumulate(np.where(is_slow, times, np.iinfo(np.int64).min // 2))
    return times - slow_since <= _EXHAUST_MS
