"""Reads what a report holds, with the queries of the API and of exports, in one transaction."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from alerting.sql import load_queries
from gateway.api.data.loading import load_public_registry
from gateway.api.data.registry import AreaRow, DatastreamRow, PublicRegistry
from gateway.api.data.site_statements import ComplaintComparison, load_matched_reports
from gateway.api.routes.plumes import PlumeFilters, load_plumes
from gateway.api.schemas.plumes import Plume
from gateway.assessment.assess import SubstanceAssessment
from gateway.assessment.levels import levels_of
from gateway.documents.snapshot import Snapshot
from gateway.export.assessed import assess_selection, build_period
from gateway.export.selection import Averaging, MeanRow
from gateway.model.legal_day import next_day
from gateway.model.properties import PROPERTIES, order_of_property
from gateway.model.timestamps import from_ms
from gateway.reports.contents import Answer, DetectorUse, NodePlacement, ReportContents, StatedSource
from gateway.reports.errors import ReportError
from gateway.reports.request import ReportPublisher, ReportRequest
from gateway.reports.statistics import Day

QUERIES = load_queries(Path(__file__).with_name("queries.sql"))
MAX_DAYS = 366
MAX_PLUMES = 2_000
_MIDDAY = timedelta(hours=12)


async def load_contents(
    snapshot: Snapshot, request: ReportRequest, publisher: ReportPublisher, now: datetime
) -> ReportContents:
    """Read the report. Raises ReportError for an unknown area, and a period that is empty, too long or not over."""
    registry = await load_public_registry(snapshot.fetch)
    area = registry.areas.get(request.area)
    if area is None:
        raise ReportError(f"no area {request.area[:80]!r}; `piekwacht site show` prints them")
    days = list_days(request.start, request.end, area.time_zone)
    _check_period(days, now)
    span = {"start": days[0].start, "end": days[-1].end}
    plumes = await _load_all_plumes(snapshot, area, days, publisher.operator)
    ids = {"plumes": [plume.id for plume in plumes]}
    return ReportContents(
        request=request,
        area=area,
        days=days,
        registry=registry,
        plumes=plumes,
        answers=await snapshot.fetch(Answer, "select_report_acknowledgements", ids),
        known_sources=await snapshot.fetch(StatedSource, "select_report_known_sources", ids),
        means=await _load_means(snapshot, registry, area, days),
        assessments=await _load_assessments(snapshot, registry, area, request, publisher.year_coverage),
        site_reports=await load_matched_reports(snapshot, area.id, (days[0].start, days[-1].end)),
        comparisons=await snapshot.fetch(
            ComplaintComparison, "select_complaint_comparisons", {"area": area.id, **span}
        ),
        installations=await snapshot.fetch(NodePlacement, "select_report_installations", {"area": area.id}),
        detectors=await snapshot.fetch(DetectorUse, "select_report_detectors", {"area": area.id, **span}),
    )


def list_days(start: date, end: date, zone: str) -> list[Day]:
    """Return the legal days from `start` until before `end`, at most one more than a report may have."""
    days, day = list[Day](), start
    while day < end and len(days) <= MAX_DAYS:
        ends_at = next_day(datetime.combine(day, datetime.min.time(), UTC) + _MIDDAY, zone)
        starts_at = next_day(datetime.combine(day - timedelta(days=1), datetime.min.time(), UTC) + _MIDDAY, zone)
        days.append(Day(date=day, start=starts_at, end=ends_at))
        day += timedelta(days=1)
    return days


def list_report_datastreams(registry: PublicRegistry, area: AreaRow) -> list[DatastreamRow]:
    """Return the datastreams of an area on which peaks are detected, by station and property."""
    streams = [
        row
        for row in registry.datastreams.values()
        if registry.stations[row.station].area == area.id and _has_peaks(row.observed_property)
    ]
    return sorted(streams, key=lambda row: (row.station, order_of_property(row.observed_property), row.id))


def _has_peaks(observed_property: str) -> bool:
    row = PROPERTIES.get(observed_property)
    return row is not None and row.detection is not None


def _check_period(days: Sequence[Day], now: datetime) -> None:
    if not days:
        raise ReportError("--from must be a day before --to")
    if len(days) > MAX_DAYS:
        raise ReportError(f"a report covers at most {MAX_DAYS} days: make one per year")
    if days[-1].end > now:
        raise ReportError("the period must be over: a report of days that go on would change every minute")


async def _load_all_plumes(snapshot: Snapshot, area: AreaRow, days: Sequence[Day], operator: str) -> list[Plume]:
    """Every plume that began in the period, oldest first."""
    filters = PlumeFilters(area=area.id, start=days[0].start, end=days[-1].end)
    plumes = await load_plumes(snapshot.fetch, MAX_PLUMES + 1, filters, operator)
    if len(plumes) > MAX_PLUMES:
        raise ReportError(f"the period has more than {MAX_PLUMES} plumes: make reports of shorter periods")
    return [plume.document for plume in reversed(plumes)]


async def _load_means(
    snapshot: Snapshot, registry: PublicRegistry, area: AreaRow, days: Sequence[Day]
) -> dict[int, list[MeanRow]]:
    """Day means by datastream, by the query of exports."""
    means = defaultdict[int, list[MeanRow]](list)
    by_place = defaultdict[tuple[str, str], list[int]](list)
    for stream in list_report_datastreams(registry, area):
        by_place[stream.station, stream.observed_property].append(stream.id)
    period = days[0].start, days[-1].end
    for (station, observed_property), ids in by_place.items():
        selection = registry.build_selection(station, observed_property, period, Averaging.DAY, ids)
        for start, end in selection.slices():
            for row in await snapshot.fetch_rows("export_1day", selection.parameters(start, end)):
                mean = MeanRow._make(row)
                means[mean.datastream].append(mean)
    return dict(means)


async def _load_assessments(
    snapshot: Snapshot, registry: PublicRegistry, area: AreaRow, request: ReportRequest, year_coverage: float | None
) -> dict[int, SubstanceAssessment]:
    """The datastreams with published levels, from their hours."""
    period = build_period(request.start, request.end, area.time_zone)
    bounds = from_ms(period.first * 1_000), from_ms(period.edges[-1] * 1_000)
    assessments = dict[int, SubstanceAssessment]()
    for stream in list_report_datastreams(registry, area):
        if levels_of(stream.observed_property):
            selection = registry.build_selection(
                stream.station, stream.observed_property, bounds, Averaging.HOUR, [stream.id]
            )
            assessments |= await assess_selection(selection, period, bounds[1], snapshot.fetch_rows, year_coverage)
    return assessments
