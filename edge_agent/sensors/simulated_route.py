"""The route of a made-up moving node. Pure."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct


class SimulatedPlace(Struct, frozen=True, kw_only=True):
    """`[[sensor.place]]`: the place of the node at one moment; between two moments it moves evenly.

    start_seconds  time after the start of the simulation
    latitude       WGS 84, in degrees
    longitude      WGS 84, in degrees
    altitude       metres
    """

    start_seconds: Annotated[float, Meta(ge=0)]
    latitude: Annotated[float, Meta(ge=-90, le=90)]
    longitude: Annotated[float, Meta(ge=-180, le=180)]
    altitude: Annotated[float, Meta(ge=-500, le=10_000)] = 0.0


def interpolate_place(places: Sequence[SimulatedPlace], elapsed: float) -> tuple[float, float, float] | None:
    """Return latitude, longitude and altitude `elapsed` seconds after the start; None without any place.

    The route begins again when its last place is reached.
    """
    if not places:
        return None
    length = places[-1].start_seconds
    moment = elapsed % length if length else 0.0
    after = bisect_right([place.start_seconds for place in places], moment)
    if after in {0, len(places)}:
        place = places[max(0, after - 1)]
        return place.latitude, place.longitude, place.altitude
    first, second = places[after - 1], places[after]
    part = (moment - first.start_seconds) / (second.start_seconds - first.start_seconds)
    return (
        round(first.latitude + part * (second.latitude - first.latitude), 7),
        round(first.longitude + part * (second.longitude - first.longitude), 7),
        round(first.altitude + part * (second.altitude - first.altitude), 1),
    )
