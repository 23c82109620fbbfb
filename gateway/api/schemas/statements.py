"""Types of what others state: reports and values of watched sites, and counts of complaints. We measured none of it."""

from typing import Annotated

from msgspec import Meta

from gateway.api.schemas.schema import Id, Instant, LicensedDocument, Schema

Seconds = Annotated[float | None, Meta(examples=[5_400.0])]


class SiteReport(Schema, frozen=True, kw_only=True):
    """An incident that the operator of a site reported itself."""

    id: str
    site: Id
    start: Instant
    end: Instant | None
    reported_at: Instant
    text: str
    source: str
    event: Annotated[str | None, Meta(description="the first measured event that it fits; null: none")]
    seconds: Annotated[
        Seconds, Meta(description="from the onset of that event to the report; negative: the report came first")
    ]


class SiteReportTimes(Schema, frozen=True, kw_only=True):
    """Of one site: how long after measured events its own reports came."""

    site: Id
    name: str
    operator: str
    reports: int
    matched: Annotated[int, Meta(description="reports that fit a measured event")]
    median_seconds: Annotated[Seconds, Meta(description="null: fewer than five fit")]
    percentile95_seconds: Seconds


class SiteReports(LicensedDocument, frozen=True, kw_only=True):
    """Reports of a period, the newest first, and the times of each site."""

    start: Instant
    end: Instant
    times: list[SiteReportTimes]
    items: list[SiteReport]


class SiteValue(Schema, frozen=True, kw_only=True):
    """A mean in a stack as the operator of the site states it; `value` null: it is missing."""

    site: Id
    stack: str
    substance: str
    start: Instant
    seconds: int
    value: float | None
    unit: str
    status: str


class ComplaintCount(Schema, frozen=True, kw_only=True):
    """Persons whose complaints fit an event. A number under five is null: it could show who complained."""

    persons: int | None
    after_notice: Annotated[int | None, Meta(description="only after residents were notified of the event")]
    fewest: Annotated[int, Meta(description="the smallest number that is published")]
    source: str
    compared_at: Instant


class EventStatements(LicensedDocument, frozen=True, kw_only=True):
    """Statements of others about the time of an event; `complaints` null: nobody compared complaints with it."""

    event: Id
    complaints: ComplaintCount | None
    site_reports: list[SiteReport]
    site_values: list[SiteValue]


SCHEMA_TYPES = (SiteReports, EventStatements)
