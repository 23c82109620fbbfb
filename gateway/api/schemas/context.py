"""Types of values of other networks: context beside a curve, measured and published by others."""

from typing import Annotated

from msgspec import Meta

from gateway.api.schemas.schema import Id, Instant, LicensedDocument, Schema


class ContextDocument(Schema, frozen=True, kw_only=True):
    """A mean over `seconds` at a station of another network."""

    source: Annotated[str, Meta(description="knmi or luchtmeetnet", examples=["luchtmeetnet"])]
    station: Annotated[str, Meta(examples=["NL49551"])]
    name: str
    credit: Annotated[str, Meta(description="whom to credit", examples=["Luchtmeetnet (RIVM en partners)"])]
    observed_property: str
    unit: str
    start: Instant
    seconds: int
    value: float


class StationContext(LicensedDocument, frozen=True, kw_only=True):
    """Values of other networks in the area of a station: in none of its means, events and alerts."""

    station: Id
    observed_property: str
    start: Instant
    end: Instant
    items: list[ContextDocument]
