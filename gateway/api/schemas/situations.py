"""Types of situations: sentences about the air at a station now."""

from typing import Annotated, Literal

from msgspec import Meta

from gateway.api.schemas.schema import Id, Instant, LicensedDocument, Schema

State = Literal["peak", "raised", "quiet", "no_data"]


class Situation(Schema, frozen=True, kw_only=True):
    """The air at one station, in sentences of one language.

    peak: a peak goes on. raised: a one-minute mean is at or above the first level of the map's colours. quiet: neither.
    no_data: no property has a recent valid reading.
    """

    station: Id
    station_name: str
    state: State
    rank: Annotated[int, Meta(description="higher is worse; peaks are ranked by severity", examples=[1])]
    label: Annotated[str, Meta(description="the state in a word or two", examples=["rustig"])]
    value: Annotated[str, Meta(description="the figure behind it, with unit; empty without one")]
    averaging: Annotated[str, Meta(description="what the figure is, in words; empty without one")]
    headline: Annotated[str, Meta(description="the situation in one sentence")]
    facts: Annotated[list[str], Meta(description="how bad, the wind, and who knows of it: a sentence each")]
    plume: Annotated[Id | None, Meta(description="the plume that goes on; null: none")] = None


class Situations(LicensedDocument, frozen=True, kw_only=True):
    """The situation at every station, and the worst of them for all together."""

    at: Annotated[Instant, Meta(description="the moment that these describe")]
    headline: str
    facts: list[str]
    state: State
    plume: Id | None
    items: list[Situation]
