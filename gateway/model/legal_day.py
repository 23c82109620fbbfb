"""Legal days: from midnight to midnight in a time zone, of 23, 24 or 25 hours. Pure."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

LEGAL_TIME_ZONE = "Europe/Amsterdam"
_HOUR = timedelta(hours=1)


class TimeZoneError(ValueError):
    """A time zone that does not exist, or whose days do not consist of whole hours of UTC; the message names it."""


@lru_cache(maxsize=600)
def _load_zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise TimeZoneError(f"no time zone {name[:80]!r}; write it as Europe/Amsterdam") from None


def day_start(at: datetime, zone: str = LEGAL_TIME_ZONE) -> datetime:
    """Return when the legal day of this moment begins, in UTC. Raises TimeZoneError."""
    local = at.astimezone(_load_zone(zone))
    return local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0).astimezone(UTC)


def next_day(at: datetime, zone: str = LEGAL_TIME_ZONE) -> datetime:
    """Return when the legal day of this moment ends, in UTC. Raises TimeZoneError."""
    local = at.astimezone(_load_zone(zone)) + timedelta(days=1)  # by the calendar, not by 24 hours
    return local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0).astimezone(UTC)


def check_time_zone(zone: str, start: datetime, end: datetime) -> None:
    """Raise TimeZoneError for an unknown zone, and for days that cannot be made of hourly means."""
    for at in (start, end):
        offset = at.astimezone(_load_zone(zone)).utcoffset() or timedelta(0)
        if offset % _HOUR:
            raise TimeZoneError(f"days of {zone} begin within an hour of UTC, and are made of hourly means")
