"""The Event: an interval in which a detector's condition held at one datastream.

Events are values. A detector returns EventChanges: the whole event as it is after the change, so
that storing, alerting and showing need nothing but the newest revision. The id is derived from what
the event is of (datastream, detector, onset), so the same data give the same event again.
"""

import base64
import hashlib
from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class EventChange(StrEnum):
    """What happened to the event in a revision."""

    OPENED = "opened"
    UPDATED = "updated"
    ENDED = "ended"
    VOIDED = "voided"  # later readings say that it was none: a twin that saw nothing, a sensor that is stuck
    MERGED = "merged"  # it is the beginning of an episode of the whole area: see `merged_into`


class EventKind(StrEnum):
    """What the detector takes it for. Only `peak` and `regional` are ever paged."""

    PEAK = "peak"
    REGIONAL = "regional"
    GLITCH = "glitch"
    HUMIDITY = "humidity"
    SENSOR = "sensor"  # a sensor that says it is unwell, or that its collocated twin contradicts


class Neighbours(Struct, frozen=True, kw_only=True):
    """How many others of the property near by spoke lately, how many of them rose too, and where, nearest first."""

    fresh: int
    risen: int
    stations: tuple[str, ...] = ()


class Wind(Struct, frozen=True, kw_only=True):
    """Where the wind came from during an event: vector mean in degrees from north, and how much it turned.

    spread is the circular standard deviation in degrees, speed the mean in m/s.
    """

    direction: float
    spread: float
    speed: float
    readings: int


class UpwindSite(Struct, frozen=True, kw_only=True):
    """A watched facility that lies where the wind came from, as seen from the station: degrees from north, metres."""

    id: str
    name: str
    bearing: float
    distance: float


class Event(Struct, frozen=True, kw_only=True):
    """One revision of one event. Values are in the property's unit, times are UTC and aware.

    datastream  slot in the registry; station and property name the same in words
    onset       when the excess began; peak_at, when it was largest; end, when it was over (None: open)
    peak        the largest observation; background, what it would have been; excess = peak - background
    noise       one standard deviation of this datastream at that time
    confidence  0..1, calibrated: of events with confidence 0.8 about 80 % are real
    reasons     why the detector believes or doubts it, as stable words
    detector    name@version#hash of its parameters; state_hash, of all that the detector knew at that moment
    neighbours, wind, upwind   what else was seen; None or empty where nothing is known
    words       one plain sentence each in `nl` and `en`
    detected_late   found when a gap was repaired, not as it happened: never paged as live
    merged_into     the regional event that this one was the beginning of
    """

    id: str
    revision: int
    change: EventChange
    kind: EventKind = EventKind.PEAK
    datastream: int
    station: str
    observed_property: str
    onset: datetime
    peak_at: datetime
    detected_at: datetime
    end: datetime | None = None
    peak: float
    background: float
    excess: float
    noise: float
    confidence: float
    reasons: tuple[str, ...] = ()
    detector: str
    detected_late: bool = False
    neighbours: Neighbours | None = None
    wind: Wind | None = None
    upwind: tuple[UpwindSite, ...] = ()
    words: dict[str, str] = {}
    merged_into: str | None = None
    state_hash: str = ""

    @property
    def is_valid_peak(self) -> bool:
        """Whether it is a peak of its station that nothing took back: what somebody could be alerted of."""
        return self.kind is EventKind.PEAK and self.change not in {EventChange.VOIDED, EventChange.MERGED}


def derive_event_id(
    place: str, observed_property: str, detector: str, onset: datetime, kind: EventKind = EventKind.PEAK
) -> str:
    """A stable 16-character id: the same event found again has the same id.

    `place` is the station, of a regional event the area. A peak may turn out to be less than one and keeps its id;
    a glitch is another event than the peak that follows it.
    """
    text = f"{place}\n{observed_property}\n{detector}\n{onset.isoformat()}"
    if kind in {EventKind.GLITCH, EventKind.REGIONAL}:
        text += f"\n{kind.value}"
    return base64.b32encode(hashlib.sha256(text.encode()).digest()[:10]).decode().lower()
