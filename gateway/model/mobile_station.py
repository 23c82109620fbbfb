"""A station that moves: what carries it. Pure; without numpy, as small commands read it."""

from dataclasses import dataclass
from enum import StrEnum


class Vehicle(StrEnum):
    """What carries a mobile station."""

    CAR = "car"
    BICYCLE = "bicycle"
    BOAT = "boat"
    DRONE = "drone"


@dataclass(frozen=True, kw_only=True)
class MobileStation:
    """A station without a place of its own.

    has_exhaust  its own engine can be measured
    is_private   it is of a resident: where its rides begin and end is shown to inspectors alone
    """

    id: str
    area: str
    name: str
    vehicle: Vehicle
    has_exhaust: bool
    is_private: bool
