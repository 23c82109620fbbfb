"""The Event: an interval in which a detector's condition held at one datastream.

Events are values. For each change a detector returns the whole event as it is after the change, so that storing,
alerting and display need only the newest revision. The id is derived from place, property, detector and onset, so the
same data give the same event again.
"""

import base64
import hashlib
from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class EventChange(StrEnum):
    """Change of the event in one revision."""

    OPENED = "opened"
    UPDATED = "updated"
    ENDED = "ended"
    VOIDED = "voided"  # later readings disprove it: a collocated twin without it, a stuck sensor
    MERGED = "merged"  # it was the beginning of an episode of the whole area: see `merged_into`


class EventKind(StrEnum):
    """Kind that the detector assigns. Only `peak` and `regional` are ever paged."""

    PEAK = "peak"
    REGIONAL = "regional"
    GLITCH = "glitch"
    HUMIDITY = "humidity"
    SENSOR = "sensor"  # a sensor that reports a fault, or that its collocated twin contradicts


class Neighbours(Struct, frozen=True, kw_only=True):
    """Nearby datastreams of the same property.

    fresh     how many had valid readings at that time
    risen     how many of these began to rise within the time that a plume travels from one to the other
    window    the longest of these times, in s; 0: unknown
    stations  the stations of those that rose, nearest first
    """

    fresh: int
    risen: int
    window: int = 0
    stations: tuple[str, ...] = ()


class Wind(Struct, frozen=True, kw_only=True):
    """Wind during an event.

    direction  where it came from: vector mean, degrees from north
    spread     circular standard deviation, degrees
    speed      mean, m/s
    readings   how many the means are of
    """

    direction: float
    spread: float
    speed: float
    readings: int


class UpwindSite(Struct, frozen=True, kw_only=True):
    """A watched facility upwind of the station: its bearing (degrees from north) and distance (m) from there."""

    id: str
    name: str
    bearing: float
    distance: float


class Event(Struct, frozen=True, kw_only=True):
    """One revision of one event. Values are in the property's unit, times are UTC and aware.

    datastream     slot in the registry; `station` and `observed_property` identify the same datastream by name
    onset          when the excess began; `peak_at`: when it was largest; `end`: when it ended (None: open)
    peak           largest observation; `background`: expected value without the event; excess = peak - background
    noise          one standard deviation of this datastream at that time
    confidence     0..1, calibrated: of events with confidence 0.8 about 80 % are real
    reasons        codes for what raises or lowers the detector's confidence; they never change
    detector       name@version#hash of its parameters; `state_hash`: hash of the detector's state at that moment
    neighbours, wind, upwind   surroundings; None or empty if unknown
    words          one sentence per language, `nl` and `en`
    detected_late  detected when a gap was repaired, not as it happened: never paged as live
    merged_into    the regional event that this one was the beginning of
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
    def falls(self) -> bool:
        """Whether the signal falls when the air gets worse."""
        return self.peak < self.background

    @property
    def is_valid_peak(self) -> bool:
        """Whether it is a peak at its station that is neither voided nor merged: one that can be alerted."""
        return self.kind is EventKind.PEAK and self.change not in {EventChange.VOIDED, EventChange.MERGED}


def derive_event_id(
    place: str, observed_property: str, detector: str, onset: datetime, kind: EventKind = EventKind.PEAK
) -> str:
    """Return a stable 16-character id: the same event detected again has the same id.

    `place` is the station or, for a regional event, the area. A peak that changes its kind keeps its id. A glitch is
    another event than the peak that follows it.
    """
    text = f"{place}\n{observed_property}\n{detector}\n{onset.isoformat()}"
    if kind in {EventKind.GLITCH, EventKind.REGIONAL}:
        text += f"\n{kind.value}"
    return base64.b32encode(hashlib.sha256(text.encode()).digest()[:10]).decode().lower()
