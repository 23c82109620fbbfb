"""A measured track as GeoJSON and as OGC Moving Features JSON. Pure."""

from collections.abc import Sequence

import numpy as np

from gateway.api.data.registry import PublicRegistry
from gateway.api.data.tracks import MeasuredTrack
from gateway.api.schemas.schema import Json
from gateway.api.schemas.tracks import MovingFeature, Track, TrackProperties, TrackValues
from gateway.model.figures import shorten
from gateway.model.timestamps import format_instant, from_ms
from gateway.tracks.positions import FloatColumn, TrackFlag

_DECIMALS = 6  # of degrees, 0.1 m; a receiver has some metres


def build_track(track: MeasuredTrack, names: Sequence[str], registry: PublicRegistry, attribution: str) -> Track:
    """The track as a GeoJSON Feature; one position alone is a Point."""
    coordinates = list_coordinates(track)
    geometry: Json = {"type": "LineString", "coordinates": coordinates}
    if len(coordinates) == 1:
        geometry = {"type": "Point", "coordinates": coordinates[0]}
    properties = TrackProperties(
        station=track.row.station,
        station_name=track.carrier.name,
        area=track.row.area,
        vehicle=track.carrier.vehicle,  # type: ignore[arg-type]
        metres=round(float(track.positions.steps.sum())),
        times=list_times(track),
        flags=[list_flags(flags) for flags in track.flags.tolist()],
        observed={name: _build_values(track, name, registry) for name in names},
    )
    return Track(id=track.row.id, geometry=geometry, properties=properties, attribution=attribution)


def build_moving_feature(
    track: MeasuredTrack, names: Sequence[str], registry: PublicRegistry, attribution: str
) -> MovingFeature:
    """The track as a Feature of OGC Moving Features JSON. A property has its own times, as it may lack some."""
    times = list_times(track)
    return MovingFeature(
        id=track.row.id,
        crs={"type": "Name", "properties": {"name": "urn:ogc:def:crs:OGC::CRS84h"}},
        trs={"type": "Name", "properties": {"name": "urn:ogc:data:time:iso8601"}},
        temporal_geometry={
            "type": "MovingPoint",
            "datetimes": times,
            "coordinates": list_coordinates(track),
            "interpolation": "Linear",
        },
        temporal_properties=[_build_temporal(track, name, times, registry) for name in names],
        time=[times[0], times[-1]],
        properties={
            "station": track.row.station,
            "stationName": track.carrier.name,
            "area": track.row.area,
            "vehicle": track.carrier.vehicle,
        },
        attribution=attribution,
    )


def list_times(track: MeasuredTrack) -> list[str]:
    """The time of each position."""
    return [format_instant(from_ms(at)) for at in track.positions.times.tolist()]


def list_coordinates(track: MeasuredTrack) -> list[list[float]]:
    """Longitude, latitude and altitude of each position."""
    positions = track.positions
    columns = zip(
        positions.longitude.round(_DECIMALS).tolist(),
        positions.latitude.round(_DECIMALS).tolist(),
        positions.altitude.round(1).tolist(),
        strict=True,
    )
    return [list(row) for row in columns]


def list_flags(flags: int) -> list[str]:
    """The names of the flags of a position."""
    return [flag.name.lower() for flag in TrackFlag if flags & flag and flag.name]


def _build_values(track: MeasuredTrack, name: str, registry: PublicRegistry) -> TrackValues:
    values, background = track.values[name]
    unit = registry.properties[name].unit
    return TrackValues(unit=unit, values=_list_numbers(values), background=_list_numbers(background))


def _list_numbers(column: FloatColumn) -> list[float | None]:
    return [shorten(value) if np.isfinite(value) else None for value in column.tolist()]


def _build_temporal(track: MeasuredTrack, name: str, times: Sequence[str], registry: PublicRegistry) -> Json:
    values, _ = track.values[name]
    chosen = [(at, shorten(value)) for at, value in zip(times, values.tolist(), strict=True) if np.isfinite(value)]
    return {
        "datetimes": [at for at, _ in chosen],
        name: {
            "type": "Measure",
            "form": f"http://unitsofmeasure.org/{registry.properties[name].unit}",
            "values": [value for _, value in chosen],
            "interpolation": "Discrete",
        },
    }
