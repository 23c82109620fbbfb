"""Who was told of what: the public part."""

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta

from gateway.api.schemas.schema import Id, Instant, LicensedDocument, fields_from_row


class Alert(LicensedDocument, frozen=True, kw_only=True):
    """One message about one revision of an event to one inspectorate. Never an address, never a person."""

    id: int
    event: str
    revision: int
    reminder: Annotated[int, Meta(description="0: the first message; 1 and more: reminders")]
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
    """A page of them, newest first."""

    items: list[Alert]
    next_cursor: str | None = None


def alert_from_row(row: Sequence[Any], attribution: str) -> Alert:
    """A row of `alerts`."""
    return Alert(**fields_from_row(Alert, row), attribution=attribution)
