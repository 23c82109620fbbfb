"""Statements of others as the API shows them. Pure."""

from collections.abc import Sequence

from gateway.api.data.registry import PublicRegistry
from gateway.api.data.site_statements import LoadedStatements, StatedValue, StoredCount
from gateway.api.schemas import statements as documents
from gateway.api.schemas.schema import format_optional_instant
from gateway.model.timestamps import format_instant
from gateway.reconciliation.event_counts import FEWEST_PERSONS, public_count
from gateway.reconciliation.site_reports import MatchedReport, summarise_report_times


def build_report(match: MatchedReport) -> documents.SiteReport:
    """A report with the event that it fits."""
    report = match.report
    return documents.SiteReport(
        id=report.id,
        site=report.site,
        start=format_instant(report.start),
        end=format_optional_instant(report.end),
        reported_at=format_instant(report.reported_at),
        text=report.summary,
        source=report.source,
        event=None if match.event is None else match.event.id,
        seconds=match.seconds,
    )


def build_times(registry: PublicRegistry, matches: Sequence[MatchedReport]) -> list[documents.SiteReportTimes]:
    """The times of each site."""
    return [
        documents.SiteReportTimes(
            site=row.site,
            name=registry.sites[row.site].name,
            operator=registry.sites[row.site].operator,
            reports=row.reports,
            matched=row.matched,
            median_seconds=None if row.delays is None else row.delays.median,
            percentile95_seconds=None if row.delays is None else row.delays.percentile_95,
        )
        for row in summarise_report_times(matches)
        if row.site in registry.sites
    ]


def build_value(value: StatedValue) -> documents.SiteValue:
    """A value of a stack."""
    return documents.SiteValue(
        site=value.site,
        stack=value.stack,
        substance=value.substance,
        start=format_instant(value.start),
        seconds=value.seconds,
        value=value.value,
        unit=value.unit,
        status=value.status,
    )


def build_count(count: StoredCount) -> documents.ComplaintCount:
    """Counts of complaints as they may be published."""
    return documents.ComplaintCount(
        persons=public_count(count.persons),
        after_notice=public_count(count.after_notice),
        fewest=FEWEST_PERSONS,
        source=count.source,
        compared_at=format_instant(count.compared_at),
    )


def build_statements(event: str, statements: LoadedStatements, attribution: str) -> documents.EventStatements:
    """Everything beside an event."""
    return documents.EventStatements(
        event=event,
        complaints=None if statements.complaints is None else build_count(statements.complaints),
        site_reports=[build_report(match) for match in statements.reports],
        site_values=[build_value(value) for value in statements.values],
        attribution=attribution,
    )
