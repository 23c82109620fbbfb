"""Moments as nodes stamp them, in whole milliseconds UTC since 1970, and as datetimes. Exact both ways. Pure."""

from datetime import UTC, datetime, timedelta
from typing import SupportsInt

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def from_ms(ms: SupportsInt) -> datetime:
    """The datetime, UTC, of a stamp in ms; numpy's integers are welcome."""
    return _EPOCH + timedelta(milliseconds=int(ms))


def to_ms(at: datetime) -> int:
    """The stamp in ms of an aware datetime; what is finer than a millisecond falls off."""
    return (at - _EPOCH) // _MILLISECOND
