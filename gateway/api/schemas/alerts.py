"""Public part of the notifications to inspectorates: no address and no person."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from alerting.alert import peak_averaging
from gateway.api.schemas.events import PeakAveraging
from gateway.api.schemas.schema import Id, Instant, Json, LicensedDocument, Schema, format_instants


class Addressees(Schema, frozen=True, kw_only=True):
    """How many addressees of one notification have which outcome. Never an address.

    delivered: their server took it. refused: refused for good, or failed at the last attempt. waiting: tried again.
    unknown: no answer came at the last attempt.
    """

    delivered: int
    refused: int
    waiting: int
    unknown: int


class Alert(LicensedDocument, frozen=True, kw_only=True):
    """One notification about one revision of an event to one inspectorate. Never an address, never a person."""

    id: int
    event: str
    plume: Annotated[str | None, Meta(description="the plume that the event belongs to")]
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
    peak_averaging: PeakAveraging
    background: float
    receiver: str
    channel: Annotated[str, Meta(examples=["email"])]
    state: Annotated[str, Meta(description="delivered: to every addressee; partial: to some", examples=["delivered"])]
    created_at: Instant
    finished_at: Instant | None
    addressees: Annotated[Addressees | None, Meta(description="null: the channel has no addressees")] = None


class Alerts(LicensedDocument, frozen=True, kw_only=True):
    """A page of alerts, newest first."""

    items: list[Alert]
    next_cursor: str | None = None


def alert_from_columns(attribution: str, *, kind: str, addressees: Json | None, **columns: Any) -> Alert:  # noqa: ANN401
    """A row of the query `select_alerts`."""
    counts = None if addressees is None else msgspec.convert(addressees, Addressees)
    return Alert(
        **format_instants(columns), peak_averaging=peak_averaging(kind), addressees=counts, attribution=attribution
    )
