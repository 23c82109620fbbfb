"""Types of the tracks of mobile stations (GeoJSON and OGC Moving Features JSON), and of the cells that they crossed."""

from typing import Annotated, Literal

from msgspec import Meta

from gateway.api.schemas.schema import Id, Instant, Json, LicensedDocument, Schema

VehicleName = Literal["car", "bicycle", "boat", "drone"]
TrackId = Annotated[str, Meta(examples=["mobile-car-1-3f0a9c2d1e0b"])]


class TrackSummary(Schema, frozen=True, kw_only=True):
    """A ride or a flight. Of a resident's ride, the first and last 200 m at least are left out."""

    id: TrackId
    station: Id
    station_name: str
    area: Id
    vehicle: VehicleName
    start: Instant
    end: Instant
    metres: Annotated[float, Meta(description="length of the part that is shown")]
    positions: int


class Tracks(LicensedDocument, frozen=True, kw_only=True):
    """A page of tracks, newest first."""

    items: list[TrackSummary]
    next_cursor: str | None = None


class TrackValues(Schema, frozen=True, kw_only=True):
    """Single readings of a property along the track, one per position; null: none, or one that does not count.

    `background` is the tenth percentile of the readings within two and a half minutes.
    """

    unit: str
    averaging: Literal["raw"] = "raw"
    values: Annotated[list[float | None], Meta(examples=[[8.1]])]
    background: Annotated[list[float | None], Meta(examples=[[7.6]])]


class TrackProperties(Schema, frozen=True, kw_only=True):
    """Facts of a track; `times`, `flags`, `values` and `background` have one item per position."""

    station: Id
    station_name: str
    area: Id
    vehicle: VehicleName
    metres: float
    times: list[Instant]
    flags: Annotated[
        list[list[str]],
        Meta(description="why a position counts in no cell: too fast, own exhaust, or the receiver lost its place"),
    ]
    observed: Annotated[dict[str, TrackValues], Meta(description="by observed property")]


class Track(LicensedDocument, frozen=True, kw_only=True):
    """A track as a GeoJSON Feature in CRS84: a LineString of longitude, latitude and altitude in metres."""

    type: Literal["Feature"] = "Feature"
    id: TrackId
    geometry: Json
    properties: TrackProperties


class MovingFeature(LicensedDocument, frozen=True, kw_only=True):
    """A track as a Feature of OGC Moving Features JSON (19-045r3, prism): a moving point and its properties in time."""

    type: Literal["Feature"] = "Feature"
    id: TrackId
    crs: Json
    trs: Json
    temporal_geometry: Json
    temporal_properties: list[Json]
    time: list[Instant]
    properties: Json


class GridCellProperties(Schema, frozen=True, kw_only=True):
    """Median over passes of the mean of a pass, and of the background along it. It is no mean of a place over time."""

    area: Id
    value: float
    background: float | None
    passes: int
    days: Annotated[int, Meta(description="legal days with a pass; cells with fewer than four are for inspectors")]
    readings: int


class GridCell(Schema, frozen=True, kw_only=True):
    """A cell of 50 m by 50 m, as a GeoJSON Feature."""

    type: Literal["Feature"] = "Feature"
    id: Annotated[str, Meta(examples=["116740/6224"])]
    geometry: Json
    properties: GridCellProperties


class GridCells(LicensedDocument, frozen=True, kw_only=True):
    """The cells that vehicles crossed on at least four days, for one property."""

    type: Literal["FeatureCollection"] = "FeatureCollection"
    observed_property: str
    unit: str
    least_days: int
    cell_metres: float
    features: list[GridCell]


SCHEMA_TYPES = (Tracks, TrackSummary, Track, MovingFeature, GridCells, GridCell)
