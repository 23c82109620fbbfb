"""Subscriptions of residents, and which alerts they cover. Pure."""

from datetime import time
from enum import StrEnum
from math import cos, hypot, radians

from msgspec import Struct

from alerting.alert import Alert, Severity
from alerting.subscriptions.quiet_hours import QuietHours

_METRES_PER_DEGREE = 111_195.0  # of latitude
MIN_RADIUS = 500  # metres: a smaller circle would show where somebody lives
MAX_RADIUS = 25_000


class PlaceKind(StrEnum):
    """The ways to name a place."""

    AREA = "area"
    STATION = "station"
    CIRCLE = "circle"


class Cadence(StrEnum):
    """How soon a resident wants to know."""

    AT_ONCE = "at_once"
    DAILY = "daily"


class ContactKind(StrEnum):
    """The ways to reach somebody."""

    EMAIL = "email"
    PUSH = "push"
    NTFY = "ntfy"  # the topic of an area, which anybody can follow; the settings name it


class SubscribedPlace(Struct, frozen=True, kw_only=True):
    """An area or station by its id, or a circle: its centre in degrees to three decimals, its radius in metres."""

    kind: PlaceKind
    id: str = ""
    latitude: float = 0.0
    longitude: float = 0.0
    radius: int = 0

    def contains(self, alert: Alert) -> bool:
        """Return whether the station of the alert is in this place."""
        if self.kind is PlaceKind.AREA:
            return alert.area == self.id
        if self.kind is PlaceKind.STATION:
            return alert.station == self.id
        north = (alert.place.latitude - self.latitude) * _METRES_PER_DEGREE
        east = (alert.place.longitude - self.longitude) * _METRES_PER_DEGREE * cos(radians(self.latitude))
        return hypot(east, north) <= self.radius


class NoticeSubscription(Struct, frozen=True, kw_only=True):
    """One subscription. An empty `observed_property` stands for every property.

    `quiet`: hours in which notices are held. `wakes`: the strongest peaks are not held.
    """

    place: SubscribedPlace
    observed_property: str = ""
    level: Severity
    cadence: Cadence = Cadence.AT_ONCE
    quiet: QuietHours | None = None
    wakes: bool = False

    def covers(self, alert: Alert) -> bool:
        """Return whether place and property fit; the level is judged apart."""
        if self.observed_property not in {"", alert.observed_property}:
            return False
        return self.place.contains(alert)


class SubscriptionRow(Struct, frozen=True, kw_only=True):
    """A subscription as the database has it."""

    place_kind: str
    place: str
    latitude: float | None
    longitude: float | None
    radius: int | None
    property: str
    level: str
    cadence: str
    quiet_from: time | None
    quiet_until: time | None
    wakes: bool

    def read(self) -> NoticeSubscription:
        """Return the subscription."""
        return NoticeSubscription(
            place=SubscribedPlace(
                kind=PlaceKind(self.place_kind),
                id=self.place,
                latitude=self.latitude or 0.0,
                longitude=self.longitude or 0.0,
                radius=self.radius or 0,
            ),
            observed_property=self.property,
            level=Severity(self.level),
            cadence=Cadence(self.cadence),
            quiet=None
            if self.quiet_from is None or self.quiet_until is None
            else QuietHours(begin=self.quiet_from, end=self.quiet_until),
            wakes=self.wakes,
        )


def round_position(degrees: float) -> float:
    """Return a position to three decimals, about 100 m: no more of it is stored."""
    return round(degrees, 3)
