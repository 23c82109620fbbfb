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


class Change(StrEnum):
    """What happened to the event in a revision."""

    OPENED = "opened"
    UPDATED = "updated"
    ENDED = "ended"
    VOIDED = "voided"


class Kind(StrEnum):
    """What the detector takes it for. Only `peak` and `regional` are ever paged."""

    PEAK = "peak"
    REGIONAL = "regional"
    GLITCH = "glitch"
    HUMIDITY = "humidity"


class Event(Struct, frozen=True, kw_only=True):
    """One revision of one event. Values are in the property's unit, times are UTC and aware.

    datastream  slot in the registry; station and property name the same in words
    onset       when the excess began; peak_at, when it was largest; end, when it was over (None: open)
    peak        the largest observation; background, what it would have been; excess = peak - background
    noise       one standard deviation of this datastream at that time
    confidence  0..1, calibrated: of events with confidence 0.8 about 80 % are real
    reasons     why the detector believes or doubts it, as stable words
    detector    name@version#hash of its parameters
    """

    id: str
    revision: int
    change: Change
    kind: Kind = Kind.PEAK
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


def event_id(station: str, observed_property: str, detector: str, onset: datetime) -> str:
    """A stable 16-character id: the same event found again has the same id."""
    text = f"{station}\n{observed_property}\n{detector}\n{onset.isoformat()}"
    return base64.b32encode(hashlib.sha256(text.encode()).digest()[:10]).decode().lower()
