"""Types of areas, sites and stations (GeoJSON), datastreams and observed properties."""

from typing import Annotated, Any, Literal

from msgspec import Meta

from gateway.api.schemas.observations import Minute
from gateway.api.schemas.schema import Id, Instant, Json, LicensedDocument, Schema, ref


class Point(Schema, frozen=True, kw_only=True):
    """A GeoJSON point in CRS84: longitude, latitude."""

    type: Literal["Point"] = "Point"
    coordinates: Annotated[list[float], Meta(min_length=2, max_length=2, examples=[[4.594, 52.494]])]


class AreaProperties(Schema, frozen=True, kw_only=True):
    """The properties of an area."""

    id: Id
    name: str
    authority: Annotated[str, Meta(description="the inspectorate (omgevingsdienst) whose jurisdiction this is")]
    time_zone: Annotated[str, Meta(description="whose legal days the area has, an IANA name")]


class Area(LicensedDocument, frozen=True, kw_only=True):
    """The polygon of one jurisdiction, as a GeoJSON Feature."""

    type: Literal["Feature"] = "Feature"
    id: Id
    geometry: Json
    properties: AreaProperties


class SiteProperties(Schema, frozen=True, kw_only=True):
    """The properties of a site."""

    id: Id
    name: str
    area: Id
    operator: str


class Site(LicensedDocument, frozen=True, kw_only=True):
    """A watched facility, as a GeoJSON Feature."""

    type: Literal["Feature"] = "Feature"
    id: Id
    geometry: Point
    properties: SiteProperties


StationClass = Annotated[
    Literal["network", "guest"],
    Meta(description="guest: a sensor of somebody else, which signs nothing and alone alerts no inspectorate"),
]


class StationProperties(Schema, frozen=True, kw_only=True):
    """The properties of a station, with its newest minutes."""

    id: Id
    name: str
    area: Id
    station_class: StationClass
    newest: Annotated[dict[str, Minute], Meta(description="by observed property")]


class Station(LicensedDocument, frozen=True, kw_only=True):
    """A station, as a GeoJSON Feature; its position is rounded to about 100 m."""

    type: Literal["Feature"] = "Feature"
    id: Id
    geometry: Point
    properties: StationProperties


class Areas(LicensedDocument, frozen=True, kw_only=True):
    """A GeoJSON FeatureCollection."""

    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[Area]


class Sites(LicensedDocument, frozen=True, kw_only=True):
    """A GeoJSON FeatureCollection."""

    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[Site]


class Stations(LicensedDocument, frozen=True, kw_only=True):
    """A GeoJSON FeatureCollection."""

    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: Annotated[list[Any], Meta(extra_json_schema={"items": ref("Station")})]
    next_cursor: str | None = None


class ObservedProperty(LicensedDocument, frozen=True, kw_only=True):
    """An observed property; a value outside [lower, upper] is flagged, never dropped."""

    id: Annotated[str, Meta(examples=["pm2_5"])]
    unit: Annotated[str, Meta(description="UCUM", examples=["ug/m3"])]
    name: Annotated[dict[str, str], Meta(description="by language", examples=[{"nl": "fijnstof", "en": "dust"}])]
    lower: float | None
    upper: float | None


class ObservedProperties(LicensedDocument, frozen=True, kw_only=True):
    """Every observed property."""

    items: list[ObservedProperty]


class Datastream(LicensedDocument, frozen=True, kw_only=True):
    """One observed property, one node's sensor, one station."""

    id: int
    station: Id
    node: str
    observed_property: str
    unit: str
    created_at: Instant


class Datastreams(LicensedDocument, frozen=True, kw_only=True):
    """A page of datastreams."""

    items: list[Datastream]
    next_cursor: str | None = None


def build_point(longitude: float, latitude: float) -> Point:
    """A point rounded to three decimals, about 100 m."""
    return Point(coordinates=[round(longitude, 3), round(latitude, 3)])
