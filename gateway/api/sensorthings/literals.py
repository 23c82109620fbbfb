"""Constants in filters: times, periods, durations and geometries, from their text and back. Pure.

Raises BadQueryError. A time without offset is UTC, as clients of RIVM's SensorThings service write it; a date is its
first moment.
"""

import re
from datetime import UTC, date, datetime, time, timedelta

from gateway.api.sensorthings.errors import BadQueryError, UnsupportedError
from gateway.api.sensorthings.query import GeoLine, Geometry, GeoPoint, GeoPolygon, Interval
from gateway.model.timestamps import format_instant

_DURATION = re.compile(r"(-)?P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
_NUMBER = r"[-+]?\d{1,9}(?:\.\d{1,20})?(?:[eE][-+]?\d{1,3})?"
_POSITION = re.compile(rf"\s*({_NUMBER})\s+({_NUMBER})\s*")
_GEOMETRY = re.compile(r"\s*(?:SRID=4326;)?\s*([A-Z]+)\s*(\(.*\))\s*", re.IGNORECASE | re.DOTALL)
_MAX_DAYS = 36_525


def parse_time(text: str) -> datetime:
    """An ISO 8601 date or time; a space instead of the plus sign of an offset is accepted."""
    try:
        at = datetime.fromisoformat(re.sub(r" (?=\d\d:?\d\d$)", "+", text.strip()).upper())
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadQueryError(f"{text[:40]!r} is no time; write it as 2026-11-21T16:00:00Z") from None


def parse_interval(text: str) -> Interval:
    """Two times with a slash between them."""
    start, _, end = text.partition("/")
    interval = Interval(parse_time(start), parse_time(end))
    if interval.start > interval.end:
        raise BadQueryError(f"{text[:80]!r} ends before it begins")
    return interval


def parse_date(text: str) -> date:
    """An ISO 8601 date."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadQueryError(f"{text[:40]!r} is no date; write it as 2026-11-21") from None


def parse_time_of_day(text: str) -> time:
    """A time of day."""
    try:
        return time.fromisoformat(text)
    except ValueError:
        raise BadQueryError(f"{text[:40]!r} is no time of day; write it as 16:00:00") from None


def parse_duration(text: str) -> timedelta:
    """An ISO 8601 duration of days, hours, minutes and seconds."""
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()[1:]) or len(text) > 40:
        raise BadQueryError(f"{text[:40]!r} is no duration of days and a time; write it as P1DT12H")
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups()[1:])
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if total > _MAX_DAYS * 86_400:
        raise BadQueryError(f"{text[:40]!r} is longer than {_MAX_DAYS} days")
    return timedelta(seconds=-total if match[1] else total)


def format_duration(duration: timedelta) -> str:
    """The text that `parse_duration` reads, in seconds."""
    sign = "-" if duration < timedelta(0) else ""
    total = abs(duration)
    seconds = f"{total.days * 86_400 + total.seconds}" + (
        f".{total.microseconds:06}".rstrip("0") if total.microseconds else ""
    )
    return f"{sign}PT{seconds}S"


def format_time(at: datetime) -> str:
    """RFC 3339 in UTC, to the microsecond where it has them."""
    if at.microsecond % 1000:
        return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return format_instant(at)


def parse_geometry(text: str) -> Geometry:
    """A point, line or polygon as well-known text, longitude first."""
    match = _GEOMETRY.fullmatch(text)
    if match is None:
        raise BadQueryError(f"{text[:60]!r} is no geometry; write it as POINT(4.59 52.49)")
    kind, body = match[1].upper(), match[2].strip()
    if kind == "POINT":
        return GeoPoint(*_parse_positions(body, at_least=1)[0])
    if kind == "LINESTRING":
        return GeoLine(_parse_positions(body, at_least=2))
    if kind == "POLYGON":
        return GeoPolygon(tuple(_parse_ring(ring) for ring in re.findall(r"\([^()]*\)", _unwrap(body))))
    raise UnsupportedError(f"geometry {kind[:20]!r} is not supported; there are POINT, LINESTRING and POLYGON")


def _parse_ring(text: str) -> tuple[tuple[float, float], ...]:
    ring = _parse_positions(text, at_least=4)
    if ring[0] != ring[-1]:
        raise BadQueryError("a ring of a polygon must end where it begins")
    return ring


def _unwrap(text: str) -> str:
    inner = text[1:-1].strip()
    if not re.fullmatch(r"\([^()]*\)(\s*,\s*\([^()]*\))*", inner):
        raise BadQueryError("a polygon has rings in parentheses, as in POLYGON((4 52,5 52,5 53,4 52))")
    return inner


def _parse_positions(text: str, *, at_least: int) -> tuple[tuple[float, float], ...]:
    positions = []
    for part in text[1:-1].split(","):
        match = _POSITION.fullmatch(part)
        if match is None:
            raise BadQueryError(f"{part[:40]!r} is no position; write longitude and latitude, as in 4.59 52.49")
        longitude, latitude = float(match[1]), float(match[2])
        if not (-360 <= longitude <= 360 and -90 <= latitude <= 90):
            raise BadQueryError(f"{part[:40]!r} is not on the Earth; longitude comes first")
        positions.append((longitude, latitude))
    if len(positions) < at_least:
        raise BadQueryError(f"this geometry needs at least {at_least} positions")
    return tuple(positions)


def format_geometry(geometry: Geometry) -> str:
    """Well-known text."""
    if isinstance(geometry, GeoPoint):
        return f"POINT({geometry.longitude!r} {geometry.latitude!r})"
    if isinstance(geometry, GeoLine):
        return f"LINESTRING{_format_positions(geometry.points)}"
    return f"POLYGON({','.join(map(_format_positions, geometry.rings))})"


def _format_positions(points: tuple[tuple[float, float], ...]) -> str:
    return f"({','.join(f'{longitude!r} {latitude!r}' for longitude, latitude in points)})"
