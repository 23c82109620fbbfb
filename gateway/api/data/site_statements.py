"""Reports and values of watched sites, and counts of complaints, from the database; beside events, never among them."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from gateway.api.data.database import QuerySource
from gateway.api.data.registry import PublicRegistry
from gateway.api.schemas.events import Event
from gateway.reconciliation.fit import FitRules, MeasuredEvent
from gateway.reconciliation.site_reports import (
    MatchedReport,
    PlacedReport,
    is_fitting,
    is_upwind,
    match_reports,
)
from gateway.reconciliation.site_statements import SiteValue

MAX_REPORTS = 1_000
_MAX_VALUES = 200
_RULES = FitRules()
_MARGIN = timedelta(minutes=_RULES.minutes)


class StatedValue(SiteValue, frozen=True, kw_only=True):
    """A value of a stack with the site that the stack belongs to."""

    site: str


class StoredCount(Struct, frozen=True, kw_only=True):
    """Persons who complained of an event, by the newest comparison of its time."""

    persons: int
    after_notice: int
    source: str
    compared_at: datetime


class ComplaintComparison(Struct, frozen=True, kw_only=True):
    """A stored comparison of complaints with events."""

    start: datetime
    end: datetime
    source: str
    persons: int
    fitting: int
    after_notice: int
    both: int
    event_only: int
    complaint_only: int
    neither: int
    expected: float | None
    chance: float | None
    compared_at: datetime


class LoadedStatements(Struct, frozen=True, kw_only=True):
    """Statements of others about the time of an event. `complaints`: None if nothing was compared."""

    complaints: StoredCount | None
    reports: Sequence[MatchedReport]
    values: Sequence[StatedValue]


async def load_matched_reports(
    source: QuerySource, area: str | None, period: tuple[datetime, datetime]
) -> list[MatchedReport]:
    """Return the reports of a period, the newest first, each with the event that it fits."""
    values = {"area": area, "start": period[0], "end": period[1], "limit": MAX_REPORTS}
    reports = await source.fetch(PlacedReport, "select_site_reports", values)
    if not reports:
        return []
    bounds = {
        "area": area,
        "start": min(report.start for report in reports) - _MARGIN,
        "end": max(report.end or report.start for report in reports) + _MARGIN,
    }
    return match_reports(reports, await source.fetch(MeasuredEvent, "select_event_places", bounds), _RULES)


async def load_event_statements(
    source: QuerySource, registry: PublicRegistry, event: Event, now: datetime
) -> LoadedStatements:
    """Return complaints, reports and values beside an event."""
    measured = build_measured_event(registry, event, now)
    start, end = measured.onset - _MARGIN, measured.end + _MARGIN
    counts = await source.fetch(StoredCount, "select_complaint_count", {"event": event.id})
    bounds = {"area": event.area, "start": start, "end": end, "limit": MAX_REPORTS}
    reports = await source.fetch(PlacedReport, "select_site_reports_at", bounds)
    sites = [
        row.id
        for row in registry.sites.values()
        if row.area == event.area and is_upwind((row.latitude, row.longitude), measured, _RULES)
    ]
    values = {"sites": sites, "start": start, "end": end, "limit": _MAX_VALUES}
    return LoadedStatements(
        complaints=next(iter(counts), None),
        reports=[
            MatchedReport(report=report, event=measured, seconds=(report.reported_at - measured.onset).total_seconds())
            for report in reports
            if is_fitting(report, measured, _RULES)
        ],
        values=await source.fetch(StatedValue, "select_site_values", values) if sites else [],
    )


def build_measured_event(registry: PublicRegistry, event: Event, now: datetime) -> MeasuredEvent:
    """Return an event as the comparison sees it, at the public position of its station."""
    station = registry.stations[event.station]
    wind = event.around.wind
    return MeasuredEvent(
        id=event.id,
        station=event.station,
        latitude=station.latitude,
        longitude=station.longitude,
        onset=datetime.fromisoformat(event.onset),
        end=now if event.end is None else datetime.fromisoformat(event.end),
        wind=None if wind is None else wind.direction,
    )
