"""Types of the direction of a source: fans of the wind, regions of places, and sites. For inspectors."""

from typing import Annotated, Any, Literal

from msgspec import Meta

from gateway.api.schemas.schema import Id, Instant, Schema

RefusalName = Literal["no_wind", "calm", "one_station", "undetermined", "no_level"]


class WindFan(Schema, frozen=True, kw_only=True):
    """The mean wind at one station while it was high, weighted by its excess."""

    station: Id
    direction: Annotated[float, Meta(description="degrees from north that the air came from", examples=[231.0])]
    spread: Annotated[float, Meta(description="circular standard deviation in degrees")]


class SourceRegion(Schema, frozen=True, kw_only=True):
    """The smallest region that holds a share of the probability, if there is one source and it lies on the map."""

    share: Annotated[float, Meta(examples=[0.9])]
    area_km2: float
    share_of_map: Annotated[float, Meta(description="part of the searched map that the region covers", examples=[0.04])]
    geometry: Annotated[dict[str, Any], Meta(description="GeoJSON MultiPolygon, CRS84")]


class SourceSite(Schema, frozen=True, kw_only=True):
    """A site, and the probability of the cells in its outline. It names no cause: the probability fills the map."""

    id: Id
    name: str
    probability: Annotated[float, Meta(ge=0, le=1, examples=[0.23])]


class SourceDirection(Schema, frozen=True, kw_only=True):
    """The places that a plume may have come from, or the reason why there is no answer."""

    plume: str
    observed_property: str
    unit: str
    method: Annotated[str, Meta(description="name of the method and its parameters; see docs", examples=["rose-1"])]
    start: Instant
    end: Instant
    threshold: Annotated[float | None, Meta(description="excess from which a station counts as high")]
    refusal: Annotated[RefusalName | None, Meta(description="why there are no regions; null if there are")]
    high_stations: list[Id]
    low_stations: list[Id]
    masts: Annotated[list[Id], Meta(description="stations whose wind is used")]
    fans: list[WindFan]
    regions: Annotated[list[SourceRegion], Meta(description="of 50 and 90 %; empty if refused")]
    sites: Annotated[list[SourceSite], Meta(description="most probable first; below 1 % left out")]
