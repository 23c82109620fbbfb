"""Public part of the notifications to inspectorates: no address and no person."""

from typing import Annotated, Any

from msgspec import Meta

from gateway.api.schemas.schema import Id, Instant, LicensedDocument, format_instants


class Alert(LicensedDocument, frozen=True, kw_only=True):
    """One notification about one revision of an event to one inspectorate. Never an address, never a person."""

    id: int
    event: str
    revision: int
    reminder: Annotated[int, Meta(description="0: the first notification; 1 and more: reminders")]
    area: Id
    authority: str
    station: Id
    station_name: str
    observed_property: str
    unit: str
    severity: str
    onset: Instant
    peak: float
    receiver: str
    channel: Annotated[str, Meta(examples=["email"])]
    state: str
    created_at: Instant
    finished_at: Instant | None


class Alerts(LicensedDocument, frozen=True, kw_only=True):
    """A page of alerts, newest first."""

    items: list[Alert]
    next_cursor: str | None = None


def alert_from_columns(attribution: str, **columns: Any) -> Alert:  # noqa: ANN401 - the columns of `select_alerts`
    """A row of the query `select_alerts`."""
    return Alert(**format_instants(columns), attribution=attribution)
