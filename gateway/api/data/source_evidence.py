"""From one-minute means to the evidence that `gateway.localisation` judges: places, arrays and the grid. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import hypot

import numpy as np
from numpy.typing import NDArray

from gateway.api.data.area_base import AreaBase
from gateway.api.data.registry import PublicRegistry, SiteRow, StationRow
from gateway.export.selection import MeanRow
from gateway.localisation.evidence import (
    BACKGROUND_SECONDS,
    PlumeEvidence,
    StationEvidence,
    WindSeries,
    subtract_background,
)
from gateway.localisation.locate import MAX_DISTANCE
from gateway.localisation.outline import Ring as CornerRing
from gateway.localisation.outline import contains
from gateway.localisation.region import Grid, build_grid
from gateway.model.geodesy import METRES_PER_DEGREE, offset_metres
from gateway.model.properties import PROPERTIES

INTERVAL = timedelta(minutes=1)
BACKGROUND = timedelta(seconds=BACKGROUND_SECONDS)
WIND_PROPERTIES = ("wind_direction", "wind_speed")
_MAX_STATIONS = 24  # nearest to the leading station
_CELL, _MAX_CELLS = 50.0, 200  # m; cells in a row or column
_MARGIN = 1_000.0  # m around stations and sites
_SITE_RADIUS = 250.0  # m, of a site without an outline
_CORNERS = 24

Ring = list[list[float]]  # [east, north] in metres


@dataclass(frozen=True, kw_only=True)
class Plane:
    """A plane with its origin at a station: metres east and north of it."""

    latitude: float
    longitude: float

    def project(self, latitude: float, longitude: float) -> tuple[float, float]:
        """Metres (east, north) of a place."""
        return offset_metres(self.latitude, self.longitude, latitude, longitude)

    def unproject(self, east: float, north: float) -> tuple[float, float]:
        """Longitude and latitude of a point, in the order of GeoJSON."""
        east_metre, _ = offset_metres(self.latitude, self.longitude, self.latitude, self.longitude + 1.0)
        return self.longitude + east / east_metre, self.latitude + north / METRES_PER_DEGREE


@dataclass(frozen=True, kw_only=True)
class SourceMap:
    """The stations that are evidence, those that measure their wind, and the sites, around the leading station."""

    observed_property: str
    plane: Plane
    stations: Sequence[StationRow]
    masts: Sequence[StationRow]
    sites: Sequence[SiteRow]
    grid: Grid


def build_source_map(registry: PublicRegistry, leading: StationRow, observed_property: str) -> SourceMap:
    """Choose the stations of the area that measure the property within 5 km of a mast, and the grid around them.

    Without a mast near them all stations are chosen: the location is then refused for want of a wind.
    """
    plane = Plane(latitude=leading.latitude, longitude=leading.longitude)
    local = [row for row in registry.stations.values() if row.area == leading.area]
    masts = [
        row
        for row in local
        if all(registry.datastreams_of(row.id, name) for name in WIND_PROPERTIES)
        and _distance(plane, row, leading) <= MAX_DISTANCE
    ]
    measuring = sorted(
        (row for row in local if registry.datastreams_of(row.id, observed_property)),
        key=lambda row: _distance(plane, row, leading),
    )
    near = [row for row in measuring if not masts or min(_distance(plane, row, mast) for mast in masts) <= MAX_DISTANCE]
    stations = near[:_MAX_STATIONS]
    sites = [
        row
        for row in registry.sites.values()
        if row.area == leading.area and hypot(*plane.project(row.latitude, row.longitude)) <= 2 * MAX_DISTANCE
    ]
    points = [plane.project(row.latitude, row.longitude) for row in stations]
    points += [plane.project(row.latitude, row.longitude) for row in sites]
    return SourceMap(
        observed_property=observed_property,
        plane=plane,
        stations=stations,
        masts=masts,
        sites=sites,
        grid=_build_grid(points),
    )


def _distance(plane: Plane, row: StationRow, other: StationRow) -> float:
    east, north = plane.project(row.latitude, row.longitude)
    other_east, other_north = plane.project(other.latitude, other.longitude)
    return hypot(east - other_east, north - other_north)


def _build_grid(points: Sequence[tuple[float, float]]) -> Grid:
    easts, norths = [point[0] for point in points], [point[1] for point in points]
    left, right = min(easts) - _MARGIN, max(easts) + _MARGIN
    bottom, top = min(norths) - _MARGIN, max(norths) + _MARGIN
    return build_grid(left, bottom, right, top, max(_CELL, max(right - left, top - bottom) / _MAX_CELLS))


def build_evidence(
    registry: PublicRegistry,
    chosen: SourceMap,
    rows: Iterable[MeanRow],
    period: tuple[datetime, datetime],
    threshold: float,
) -> PlumeEvidence:
    """Return the evidence of the minutes of `period`. `rows`: means of property and wind, also of the time before it.

    Of two nodes at one station the newer datastream counts if it has a value.
    """
    first = period[0] - BACKGROUND
    minutes, skipped = (period[1] - first) // INTERVAL, BACKGROUND // INTERVAL
    series: dict[int, NDArray[np.float64]] = {}
    for row in rows:
        minute = (row.start - first) // INTERVAL
        if row.mean is not None and 0 <= minute < minutes:
            series.setdefault(row.datastream, np.full(minutes, np.nan))[minute] = row.mean
    observed_property = chosen.observed_property
    sign = PROPERTIES[observed_property].direction if observed_property in PROPERTIES else 1
    stations = []
    for station in chosen.stations:
        values = _merge(registry, series, station.id, observed_property, minutes)
        east, north = chosen.plane.project(station.latitude, station.longitude)
        excess = subtract_background(sign * values, INTERVAL.total_seconds())
        stations.append(StationEvidence(station=station.id, east=east, north=north, excess=excess[skipped:]))
    winds = [[_merge(registry, series, mast.id, name, minutes) for name in WIND_PROPERTIES] for mast in chosen.masts]
    return PlumeEvidence(
        stations=stations,
        wind=_mean_wind(winds, minutes, skipped),
        threshold=threshold,
        interval=INTERVAL.total_seconds(),
    )


def _merge(
    registry: PublicRegistry, series: Mapping[int, NDArray[np.float64]], station: str, name: str, minutes: int
) -> NDArray[np.float64]:
    merged = np.full(minutes, np.nan)
    for id_ in sorted(registry.datastreams_of(station, name)):
        values = series.get(id_)
        if values is not None:
            merged = np.where(np.isfinite(values), values, merged)
    return merged


def _mean_wind(winds: Sequence[Sequence[NDArray[np.float64]]], minutes: int, skipped: int) -> WindSeries:
    """The vector mean of the masts that have a wind at that minute."""
    east, north, count = np.zeros(minutes), np.zeros(minutes), np.zeros(minutes)
    for directions, speeds in winds:
        valid = np.isfinite(directions) & np.isfinite(speeds)
        angles = np.radians(np.where(valid, directions, 0.0))
        east += np.where(valid, speeds * np.sin(angles), 0.0)
        north += np.where(valid, speeds * np.cos(angles), 0.0)
        count += valid
    has_wind = count > 0
    divisor = np.where(has_wind, count, 1.0)
    speeds = np.where(has_wind, np.hypot(east, north) / divisor, np.nan)[skipped:]
    return WindSeries(
        directions=np.where(has_wind, np.degrees(np.arctan2(east, north)) % 360, np.nan)[skipped:], speeds=speeds
    )


def outline_site(plane: Plane, site: SiteRow, base: AreaBase | None) -> list[Ring]:
    """The rings of a site: its outline on the base map around its point, else a circle of 250 m."""
    east, north = plane.project(site.latitude, site.longitude)
    for feature in () if base is None else base.features:
        if feature["properties"]["kind"] == "site":
            rings = [
                [list(plane.project(latitude, longitude)) for longitude, latitude in ring[:-1]]
                for ring in feature["geometry"]["coordinates"]
            ]
            if contains(rings[:1], east, north):
                return rings
    angles = 2 * np.pi * np.arange(_CORNERS) / _CORNERS
    return [[[east + _SITE_RADIUS * float(np.cos(a)), north + _SITE_RADIUS * float(np.sin(a))] for a in angles]]


def unproject_polygons(
    chosen: SourceMap, polygons: Sequence[Sequence[CornerRing]]
) -> list[list[list[tuple[float, float]]]]:
    """Return polygons of the grid's corners as coordinates of a GeoJSON MultiPolygon: degrees, rings closed."""
    return [
        [
            [chosen.plane.unproject(*chosen.grid.corner(column, row)) for column, row in (*ring, ring[0])]
            for ring in polygon
        ]
        for polygon in polygons
    ]
