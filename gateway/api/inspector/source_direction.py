"""The direction of a plume's source: reads the means around it and locates it. For inspectors of its area.

The API and the page call it. Raises HTTPException as `plume_service.get_plume` and the database do.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fastapi import Request

from gateway.api.data.area_base import AreaBase
from gateway.api.data.database import Database
from gateway.api.data.registry import PublicRegistry, SiteRow
from gateway.api.data.source_evidence import (
    BACKGROUND,
    INTERVAL,
    WIND_PROPERTIES,
    SourceMap,
    build_evidence,
    build_source_map,
    outline_site,
)
from gateway.api.inspector import plume_service
from gateway.api.routes.places import get_latest_values
from gateway.api.schemas.plumes import Plume
from gateway.export.selection import Averaging, MeanRow
from gateway.localisation.evidence import choose_threshold
from gateway.localisation.locate import REGION_SHARES, SourceLocation, locate_source
from gateway.localisation.outline import Ring, trace_outline
from gateway.localisation.region import sum_inside

_BEFORE, _MIN_LENGTH, _MAX_LENGTH = timedelta(minutes=5), timedelta(minutes=10), timedelta(hours=3)


@dataclass(frozen=True, kw_only=True)
class SiteShare:
    """A site and the probability within its outline."""

    site: SiteRow
    probability: float


@dataclass(frozen=True, kw_only=True)
class OutlinedRegion:
    """The smallest region with a share of the probability: its part of the grid, and its polygons in grid corners."""

    share: float
    share_of_map: float
    area: float  # square metres
    polygons: Sequence[Sequence[Ring]]


@dataclass(frozen=True, kw_only=True)
class PlumeDirection:
    """The location of a plume's source. `location`: None if the property has no level from which a station is high.

    `regions`: of 50 and 90 %, empty if refused. `sites`: the most probable first.
    """

    plume: Plume
    observed_property: str
    period: tuple[datetime, datetime]
    threshold: float | None
    chosen: SourceMap
    location: SourceLocation | None = None
    regions: Sequence[OutlinedRegion] = ()
    sites: Sequence[SiteShare] = ()


async def locate_plume(request: Request, id_: str) -> PlumeDirection | None:
    """The direction of a plume's source by its leading property; None if the leading station is no longer known."""
    plume = await plume_service.get_plume(request, id_)
    registry = (await get_latest_values(request)).registry
    leading = registry.stations.get(plume.events[0].station)
    if leading is None:
        return None
    name, period = plume.properties[0], choose_period(plume, datetime.now(UTC))
    chosen, threshold = build_source_map(registry, leading, name), choose_threshold(name)
    if threshold is None:
        return PlumeDirection(plume=plume, observed_property=name, period=period, threshold=None, chosen=chosen)
    rows = await _fetch_means(request, registry, chosen, name, period)
    bases: dict[str, AreaBase] = request.app.state.area_bases

    def compute() -> PlumeDirection:
        evidence = build_evidence(registry, chosen, rows, period, threshold)
        location = locate_source(evidence, chosen.grid)
        return PlumeDirection(
            plume=plume,
            observed_property=name,
            period=period,
            threshold=threshold,
            chosen=chosen,
            location=location,
            regions=_outline_regions(location),
            sites=_share_sites(location, chosen, bases.get(leading.area)),
        )

    return await asyncio.to_thread(compute)


def choose_period(plume: Plume, now: datetime) -> tuple[datetime, datetime]:
    """Whole minutes from five minutes before the onset to the end, at most three hours."""
    onset = datetime.fromisoformat(plume.onset).replace(second=0, microsecond=0)
    end = now if plume.end is None else datetime.fromisoformat(plume.end) + INTERVAL
    start = onset - _BEFORE
    length = min(_MAX_LENGTH, max(_MIN_LENGTH, end.replace(second=0, microsecond=0) - start))
    return start, start + length


async def _fetch_means(
    request: Request, registry: PublicRegistry, chosen: SourceMap, name: str, period: tuple[datetime, datetime]
) -> list[MeanRow]:
    ids = [id_ for station in chosen.stations for id_ in registry.datastreams_of(station.id, name)]
    ids += [id_ for mast in chosen.masts for wind in WIND_PROPERTIES for id_ in registry.datastreams_of(mast.id, wind)]
    if not ids:
        return []
    database: Database = request.app.state.database
    values = {"ids": ids, "start": period[0] - BACKGROUND, "end": period[1]}
    return [MeanRow._make(row) for row in await database.fetch_rows(f"select_means_{Averaging.MINUTE}", values)]


def _outline_regions(location: SourceLocation) -> list[OutlinedRegion]:
    if location.refusal is not None:
        return []
    regions = []
    for share in REGION_SHARES:
        cells = location.region(share)
        regions.append(
            OutlinedRegion(
                share=share,
                share_of_map=float(cells.mean()),
                area=float(cells.sum()) * location.grid.cell_area,
                polygons=trace_outline(cells),
            )
        )
    return regions


def _share_sites(location: SourceLocation, chosen: SourceMap, base: AreaBase | None) -> list[SiteShare]:
    if location.probabilities is None:
        return []
    shares = [
        SiteShare(
            site=site,
            probability=sum_inside(location.probabilities, chosen.grid, outline_site(chosen.plane, site, base)),
        )
        for site in chosen.sites
    ]
    return sorted(shares, key=lambda share: -share.probability)
