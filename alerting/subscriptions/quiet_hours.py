"""Quiet hours and the time of the daily notice, in Dutch local time. Pure.

In the nights in which the clock changes, a time that occurs twice begins quiet hours at its first occurrence and ends
them at its last. A time that does not occur is read with the offset from before the change (RFC 5545, 3.3.5).
"""

from datetime import UTC, date, datetime, time, timedelta

from msgspec import Struct

from alerting.vocabulary import LOCAL_TIMEZONE

_DAY = timedelta(days=1)


class QuietHours(Struct, frozen=True, kw_only=True):
    """From `begin` until `end` (exclusive), every day; past midnight if `end` is not later."""

    begin: time
    end: time

    def find_end(self, now: datetime) -> datetime | None:
        """Return when the quiet hours around `now` end, in UTC; None if it is not quiet now."""
        today = now.astimezone(LOCAL_TIMEZONE).date()
        for day in (today - _DAY, today):
            last_day = day if self.begin < self.end else day + _DAY
            end = _to_instant(last_day, self.end, fold=1)
            if _to_instant(day, self.begin, fold=0) <= now < end:
                return end
        return None


def find_next(at: time, now: datetime) -> datetime:
    """Return the next moment after `now` at which the Dutch clock shows this time, in UTC."""
    today = now.astimezone(LOCAL_TIMEZONE).date()
    moments = (_to_instant(today + number * _DAY, at, fold=0) for number in range(3))
    return next(moment for moment in moments if moment > now)


def _to_instant(day: date, at: time, *, fold: int) -> datetime:
    """Return the moment in UTC; `fold` 1: the last one, if the time occurs twice."""
    local = datetime.combine(day, at, LOCAL_TIMEZONE)
    first, last = local.astimezone(UTC), local.replace(fold=1).astimezone(UTC)
    # of a time that does not occur, `last` is the earlier moment
    return max(first, last) if fold else first
