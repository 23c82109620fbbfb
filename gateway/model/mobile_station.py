"""A station that moves, and its vehicle. Pure; without numpy, as small commands read it."""

from dataclasses import dataclass
from enum import StrEnum


class Vehicle(StrEnum):
    """Carrier of a mobile station."""

    CAR = "car"
    BICYCLE = "bicycle"
    BOAT = "boat"
    DRONE = "drone"


@dataclass(frozen=True, kw_only=True)
class MobileStation:
    """A station without a fixed place.

    has_exhaust  its own engine can be measured
    is_private   it is of a resident: where its rides begin and end is shown to inspectors alone
    """

    id: str
    area: str
    name: str
    vehicle: Vehicle
    has_exhaust: bool
    is_private: bool
