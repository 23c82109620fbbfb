"""Times of the week at which a route applies: `mon-fri 18:00-08:00`, `sat-sun`; in Dutch local time. Pure."""

import re
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from functools import cache

from msgspec import Struct

from alerting.errors import SettingsError
from alerting.vocabulary import LOCAL_TIMEZONE

_MINUTES_PER_WEEK = 7 * 24 * 60
_MONDAY = datetime(2026, 1, 5)  # noqa: DTZ001 - any Monday, on the Dutch clock
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_PATTERN = re.compile(
    rf"(?:(?P<first>{'|'.join(_DAYS)})(?:-(?P<last>{'|'.join(_DAYS)}))?)?"
    r"\s*(?:(?P<begin>[0-2]\d:[0-5]\d)-(?P<end>[0-2]\d:[0-5]\d))?"
)


class TimeInterval(Struct, frozen=True, kw_only=True):
    """From `begin` until `end` (exclusive) on `days` (0: Monday); past midnight it belongs to the day it began on."""

    days: frozenset[int]
    begin: time
    end: time | None  # None: until midnight

    def covers(self, now: datetime) -> bool:
        """Return whether the moment is within."""
        return self.covers_local(now.astimezone(LOCAL_TIMEZONE))

    def covers_local(self, local: datetime) -> bool:
        """Return the same for a moment in Dutch local time."""
        today, at = local.weekday(), local.time()
        if self.end is None or self.begin < self.end:
            return today in self.days and self.begin <= at and (self.end is None or at < self.end)
        return (today in self.days and at >= self.begin) or ((today - 1) % 7 in self.days and at < self.end)


def parse(text: str) -> TimeInterval:
    """Read one interval. Raises SettingsError."""
    match = _PATTERN.fullmatch(text.strip().lower())
    if match is None or not text.strip():
        raise SettingsError(f"hours {text!r}: write days, times or both, such as 'mon-fri 18:00-08:00'")
    try:
        begin = time.fromisoformat(match["begin"] or "00:00")
        end = time.fromisoformat(match["end"]) if match["end"] else None
    except ValueError:
        raise SettingsError(f"hours {text!r}: a time is 00:00 to 23:59") from None
    if begin == end:
        raise SettingsError(f"hours {text!r}: begins and ends at the same time; leave the times out for the whole day")
    first = _DAYS.index(match["first"] or "mon")
    last = _DAYS.index(match["last"] or match["first"] or "sun")
    return TimeInterval(days=frozenset((first + n) % 7 for n in range((last - first) % 7 + 1)), begin=begin, end=end)


def build_week_mask(texts: Sequence[str]) -> bytes | None:
    """Return one byte per minute of the Dutch week from Monday 00:00: 1 if an interval covers it; None without any.

    Routes with the same hours share one mask. Raises SettingsError.
    """
    return _build_week_mask(tuple(texts)) if texts else None


@cache
def _build_week_mask(texts: tuple[str, ...]) -> bytes:
    spans = [parse(text) for text in texts]
    minutes = (_MONDAY + timedelta(minutes=number) for number in range(_MINUTES_PER_WEEK))
    return bytes(any(span.covers_local(minute) for span in spans) for minute in minutes)


def minute_of_week(now: datetime) -> int:
    """Return the moment's index in a week mask."""
    local = now.astimezone(LOCAL_TIMEZONE)
    return local.weekday() * 1440 + local.hour * 60 + local.minute
