"""Legal days: from midnight to midnight in a time zone, of 23, 24 or 25 hours, mostly. Pure.

A day begins at the first moment that has its midnight on the clock, and ends where the next one begins. In some zones
midnight occurs twice, as in the Azores in October, or never, as in Cairo in April. The functions `midnight` and
`legal_days` of the database have the same rule.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

LEGAL_TIME_ZONE = "Europe/Amsterdam"
_DAY = timedelta(days=1)


class TimeZoneError(ValueError):
    """A time zone that does not exist; the message names it."""


@lru_cache(maxsize=600)
def _load_zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise TimeZoneError(f"no time zone {name[:80]!r}; write it as Europe/Amsterdam") from None


def check_time_zone(zone: str) -> str:
    """Return the zone. Raises TimeZoneError for an unknown one."""
    _load_zone(zone)
    return zone


def legal_date(at: datetime, zone: str = LEGAL_TIME_ZONE) -> date:
    """Return the date of the legal day that this moment belongs to. Raises TimeZoneError."""
    day = at.astimezone(_load_zone(zone)).date()
    return day + _DAY if _midnight(day + _DAY, zone) <= at else day  # clocks set back across midnight show the old date


def day_start(at: datetime, zone: str = LEGAL_TIME_ZONE) -> datetime:
    """Return when the legal day of this moment begins, in UTC. Raises TimeZoneError."""
    return _midnight(legal_date(at, zone), zone)


def next_day(at: datetime, zone: str = LEGAL_TIME_ZONE) -> datetime:
    """Return when the legal day of this moment ends, in UTC. Raises TimeZoneError."""
    return _midnight(legal_date(at, zone) + _DAY, zone)


def list_day_edges(first: date, until: date, zone: str = LEGAL_TIME_ZONE) -> list[datetime]:
    """Return the begin of each legal day from `first` to before `until`, and the end of the last one, in UTC.

    Raises TimeZoneError.
    """
    return [_midnight(first + timedelta(days=number), zone) for number in range((until - first).days + 1)]


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), _load_zone(zone)).astimezone(UTC)  # fold 0: the first of two
