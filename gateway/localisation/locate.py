"""Locate the source of a plume, or give the reason why that cannot be done. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from gateway.localisation.evidence import PlumeEvidence, StationEvidence, WindSeries
from gateway.localisation.region import Grid, compute_probabilities, select_region
from gateway.localisation.rose import RoseParameters
from gateway.model.geodesy import bearing_degrees

METHOD = "rose-1"  # stands with every result; a change of the method or of its parameters is another name
PARAMETERS = RoseParameters()
MAX_DISTANCE = 5_000.0  # m between a station and the nearest mast whose wind is used for it
REGION_SHARES = (0.5, 0.9)
_MIN_STATIONS = 2
_MIN_USABLE_WIND = 0.5  # share of the moments in which stations were high
_MAX_REGION = 0.75  # share of the grid; a larger region is no information
_MAX_SPREAD = 45.0  # degrees; a wind that turned more has no mean direction


class RefusalReason(StrEnum):
    """Why there is no region."""

    NO_WIND = "no_wind"  # the wind is unknown in most moments in which stations were high
    CALM = "calm"  # in most of them it was below 1 m/s
    ONE_STATION = "one_station"  # fewer than two stations were high
    UNDETERMINED = "undetermined"  # the region would cover most of the map


@dataclass(frozen=True, kw_only=True)
class Fan:
    """The mean wind at one high station, weighted by its excess: degrees that the air came from, and their spread."""

    station: str
    direction: float
    spread: float


@dataclass(frozen=True, kw_only=True)
class SourceLocation:
    """The direction of a source as far as it is known.

    `probabilities`: (rows, columns) of `grid`, None if refused for `refusal`. `fans`: of high stations whose wind did
    not turn too far. `low_stations` are evidence against places.
    """

    grid: Grid
    probabilities: NDArray[np.float64] | None
    refusal: RefusalReason | None
    fans: Sequence[Fan]
    high_stations: Sequence[str]
    low_stations: Sequence[str]

    def region(self, share: float) -> NDArray[np.bool_]:
        """The cells, (rows, columns), that hold this share of the probability. ValueError if there is no region."""
        if self.probabilities is None:
            raise ValueError(f"there is no region: {self.refusal}")
        return select_region(self.probabilities, share)


def locate_source(evidence: PlumeEvidence, grid: Grid, p: RoseParameters = PARAMETERS) -> SourceLocation:
    """Return where the plume may have come from within the grid."""
    high_stations = evidence.list_high_stations()
    refusal = _find_refusal(evidence, len(high_stations), p)
    probabilities = None
    if refusal is None:
        probabilities = compute_probabilities(evidence, grid, p)
        if select_region(probabilities, REGION_SHARES[-1]).mean() > _MAX_REGION:
            refusal, probabilities = RefusalReason.UNDETERMINED, None
    fans = (_build_fan(row, evidence.wind, evidence.threshold, p) for row in evidence.stations)
    return SourceLocation(
        grid=grid,
        probabilities=probabilities,
        refusal=refusal,
        fans=[fan for fan in fans if fan is not None],
        high_stations=high_stations,
        low_stations=[row.station for row in evidence.stations if row.station not in high_stations],
    )


def _find_refusal(evidence: PlumeEvidence, high_count: int, p: RoseParameters) -> RefusalReason | None:
    is_high = np.zeros(evidence.wind.speeds.shape, dtype=np.bool_)
    for row in evidence.stations:
        is_high |= row.excess > evidence.threshold
    if is_high.any() and evidence.wind.list_usable(p.min_speed)[is_high].mean() < _MIN_USABLE_WIND:
        is_known = np.isfinite(evidence.wind.speeds[is_high]).mean() >= _MIN_USABLE_WIND
        return RefusalReason.CALM if is_known else RefusalReason.NO_WIND
    return RefusalReason.ONE_STATION if high_count < _MIN_STATIONS else None


def _build_fan(row: StationEvidence, wind: WindSeries, threshold: float, p: RoseParameters) -> Fan | None:
    used = wind.list_usable(p.min_speed) & (row.excess > threshold)
    if not used.any():
        return None
    angles, weights = np.radians(wind.directions[used]), row.excess[used]
    east, north = float(np.sum(weights * np.sin(angles))), float(np.sum(weights * np.cos(angles)))
    length = min(1.0, math.hypot(east, north) / float(np.sum(weights)))
    spread = math.degrees(math.sqrt(-2 * math.log(length))) if length > 0 else math.inf
    if spread > _MAX_SPREAD:
        return None
    return Fan(station=row.station, direction=bearing_degrees(east, north), spread=spread)
