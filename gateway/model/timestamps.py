"""Converts timestamps: whole milliseconds UTC since 1970, as nodes send them, datetimes, and texts. Pure.

Milliseconds and datetimes are exact both ways.
"""

from datetime import UTC, datetime, timedelta
from typing import SupportsInt

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def from_ms(ms: SupportsInt) -> datetime:
    """Return the UTC datetime of a timestamp in ms; numpy integers are accepted."""
    return _EPOCH + timedelta(milliseconds=int(ms))


def to_ms(at: datetime) -> int:
    """Return the timestamp in ms of an aware datetime; fractions of a millisecond are cut off."""
    return (at - _EPOCH) // _MILLISECOND


def format_instant(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds and Z."""
    utc = at if at.tzinfo is UTC else at.astimezone(UTC)
    return f"{utc.isoformat(timespec='milliseconds')[:-6]}Z"


def format_seconds(at: datetime) -> str:
    """RFC 3339 in UTC with whole seconds and Z."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
