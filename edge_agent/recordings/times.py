"""Read a time as people and programs write it, in ms UTC.

A text with an offset or a number since 1970 is a moment by itself. A text without an offset needs a time zone; in the
hour that occurs twice in autumn the order of the rows decides. 3-4-2026 is the third of April or the fourth of March:
the other dates of the file decide, or the operator. Pure.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from edge_agent.configuration import ConfigurationError
from edge_agent.recordings.numbers import UnreadableCellError, shorten

_NUMBER = re.compile(r"-?\d+(?:\.\d*)?(?:[eE]\+?\d{1,2})?", re.ASCII)
_CLOCK = r"(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s*([AP]M|[ap]\.m\.)?"
_OFFSET = r"\s*(?:((?:UTC|GMT)?[+-]\d\d?(?::?\d\d)?|Z|UTC|GMT|CEST|CET|MEST|MET|MESZ|MEZ)(?:\[[\w/+-]+\])?)?"
_ISO = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})[T ,]+" + _CLOCK + _OFFSET, re.ASCII | re.IGNORECASE)
_COMPACT = re.compile(
    r"((?:19|20|21)\d\d)-?(\d\d)-?(\d\d)[T ]?(\d\d):?(\d\d)(?::?(\d\d)(?:[.,](\d{1,9}))?)?()" + _OFFSET,
    re.ASCII | re.IGNORECASE,
)
_REGIONAL = re.compile(
    r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d\d)[T ,]+" + _CLOCK + _OFFSET,
    re.ASCII | re.IGNORECASE,
)
_DATE_ALONE = re.compile(
    r"\d{4}[-/]\d{1,2}[-/]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d\d)|(?:19|20|21)\d\d(?:0[1-9]|1[0-2])[0-3]\d",
    re.ASCII,
)
_CLOCK_ALONE = re.compile(r"\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?\s*(?:[AP]M)?", re.ASCII | re.IGNORECASE)
_ZONE_HOURS = {"Z": 0, "UTC": 0, "GMT": 0, "CET": 1, "MET": 1, "MEZ": 1, "CEST": 2, "MEST": 2, "MESZ": 2}
# numbers of days as spreadsheets (since 1900), Matlab and astronomers (Julian) count them, of the years 1954 to 2100
_DAY_COUNTS = ((20_000, 73_500), (713_000, 767_500), (2_434_000, 2_488_500))
_EARLIEST_MS, _LATEST_MS = -2_208_988_800_000, 7_258_118_400_000  # 1900 and 2200, as the gateway accepts them
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_HOUR = timedelta(hours=1)


class DayOrder(StrEnum):
    """How 3-4-2026 is read."""

    DAY_FIRST = "day-first"
    MONTH_FIRST = "month-first"


def load_zone(name: str) -> ZoneInfo:
    """Europe/Amsterdam -> its rules. Raises ConfigurationError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigurationError(
            f"time zone {name!r}: there is none of this name; write it as Europe/Amsterdam or UTC"
        ) from None


def describe_half_time(text: str) -> str | None:
    """Return what a text lacks that is a date or a time of day alone; else None."""
    if _DATE_ALONE.fullmatch(text.strip()):
        return "a date without a time of day"
    return "a time of day without a date" if _CLOCK_ALONE.fullmatch(text.strip()) else None


def is_day_count(text: str) -> bool:
    """Whether a number counts days rather than seconds since 1970, as 46347.7 of a spreadsheet does."""
    text = text.strip().replace(",", ".")
    return _NUMBER.fullmatch(text) is not None and any(low <= float(text) <= high for low, high in _DAY_COUNTS)


def decide_day_order(texts: Iterable[str]) -> DayOrder | None:
    """The order of day and month that the dates of a file prove; None if they do not, or contradict each other."""
    proofs = set()
    for text in texts:
        match = _REGIONAL.fullmatch(text.strip())
        if (match is not None and match[2] == ".") or (match is not None and int(match[1]) > 12):
            proofs.add(DayOrder.DAY_FIRST)
        elif match is not None and int(match[3]) > 12:
            proofs.add(DayOrder.MONTH_FIRST)
    return proofs.pop() if len(proofs) == 1 else None


def is_regional(text: str) -> bool:
    """Whether the order of day and month of a text must be decided."""
    return _REGIONAL.fullmatch(text.strip()) is not None


class TimeReader:
    """Times of one file. `key` separates series that are each in order, such as a station's property."""

    def __init__(self, zone: ZoneInfo | None, day_order: DayOrder | None) -> None:
        self._zone, self._day_order = zone, day_order
        self._previous: dict[str, datetime] = {}
        self._steps: dict[str, _Step] = {}
        self.repeated_hours: dict[str, int] = {}

    def read(self, text: str, key: str, later: timedelta = timedelta(0)) -> int:
        """A text and what is added to it -> ms UTC. Raises UnreadableCellError; ConfigurationError without a zone."""
        moment = parse_time(text, self._day_order)
        if isinstance(moment, int):
            return _in_range(moment + later // _MS, text)
        return _in_range(self._resolve(moment + later, text, key), text)

    def _resolve(self, local: datetime, text: str, key: str) -> int:
        if self._zone is None:
            raise ConfigurationError(
                f"time {shorten(text)} has no offset from UTC: give the time zone of the recording, "
                "such as --time-zone Europe/Amsterdam or --time-zone UTC"
            )
        fold = self._choose_fold(local, key)
        moment = local.replace(tzinfo=self._zone, fold=fold).astimezone(UTC)
        if moment.astimezone(self._zone).replace(tzinfo=None) != local:
            raise UnreadableCellError(f"{shorten(text)} does not exist in {self._zone.key}: the clock was put forward")
        return _to_ms(moment)

    def _choose_fold(self, local: datetime, key: str) -> int:
        """0: first time that the clock shows this, 1: second time; rows may be in order or newest first."""
        step = self._steps.setdefault(key, _Step())
        previous, self._previous[key] = self._previous.get(key), local
        if not _occurs_twice(local, self._zone):
            step.follow(previous, local)
            return step.leave()
        fold = step.enter(previous, local)
        day = f"{local:%Y-%m-%d}"
        self.repeated_hours[day] = self.repeated_hours.get(day, 0) + 1
        return fold


class _Step:
    """Direction of the rows of one series, and its place in an hour that occurs twice."""

    def __init__(self) -> None:
        self.descending = False
        self.fold: int | None = None

    def follow(self, previous: datetime | None, local: datetime) -> None:
        if previous is not None and previous != local and self.fold is None:
            self.descending = local < previous

    def leave(self) -> int:
        self.fold = None
        return 0

    def enter(self, previous: datetime | None, local: datetime) -> int:
        if self.fold is None:
            self.follow(previous, local)
            self.fold = 1 if self.descending else 0
        elif previous is not None and self.descending is (local > previous) and local != previous:
            self.fold = 0 if self.descending else 1
        return self.fold


def _occurs_twice(local: datetime, zone: ZoneInfo | None) -> bool:
    first = local.replace(tzinfo=zone, fold=0).utcoffset()
    second = local.replace(tzinfo=zone, fold=1).utcoffset()
    return first is not None and second is not None and first > second


@lru_cache(maxsize=50_000)  # stations and properties share their times
def parse_time(text: str, day_order: DayOrder | None) -> int | datetime:
    """A text -> ms UTC, or a local time if it has no offset. Raises UnreadableCellError."""
    text = text.strip()
    try:
        if match := _ISO.fullmatch(text) or (_COMPACT.fullmatch(text) if _is_compact(text) else None):
            return _build_time((match[1], match[2], match[3]), match.groups()[3:])
        if _NUMBER.fullmatch(text) and not _DATE_ALONE.fullmatch(text):
            return _parse_epoch(text)
        if match := _REGIONAL.fullmatch(text):
            return _parse_regional(match, day_order)
    except (ValueError, OverflowError):
        raise UnreadableCellError(f"{shorten(text)} is no time that exists") from None
    half = describe_half_time(text)
    raise UnreadableCellError(
        f"{shorten(text)} is {half or 'neither a date with a time nor a number of seconds since 1970'}"
    )


def _parse_epoch(text: str) -> int:
    """Seconds, ms, us or ns since 1970, which differ so much that the size distinguishes them."""
    number: int | float = int(text) if text.lstrip("-").isdigit() else float(text)
    for limit, to_ms in ((1e11, 1000), (1e14, 1)):
        if abs(number) < limit:
            return round(number * to_ms)
    for limit, per_ms in ((1e17, 1000), (1e20, 1_000_000)):
        if abs(number) < limit:
            return int(number) // per_ms
    raise ValueError(text)


def _is_compact(text: str) -> bool:
    """Whether a text is no number since 1970: 202611211600 would be in 1976."""
    return not text.isdigit() or len(text) in {12, 14}


def _build_time(date: tuple[str, str, str], clock: tuple[str | None, ...]) -> int | datetime:
    """Year, month and day, and the groups of a time of day and its offset. 24:00 is the end of its day."""
    hour, minute, second, fraction, half, offset = clock
    hours = _read_hours(int(hour or 0), half)
    is_end_of_day = hours == 24 and not int(minute or 0) and not int(second or 0) and not int(fraction or 0)
    clock_hours = 0 if is_end_of_day else hours
    day = datetime(int(date[0]), int(date[1]), int(date[2]), clock_hours, int(minute or 0), int(second or 0))  # noqa: DTZ001 - the offset follows
    local = day + timedelta(days=is_end_of_day, microseconds=_microseconds(fraction))
    return local if offset is None else _to_ms(local.replace(tzinfo=UTC) - _parse_offset(offset))


def _read_hours(hours: int, half: str | None) -> int:
    """5 and PM -> 17."""
    if not half:
        return hours
    if not 1 <= hours <= 12:
        raise ValueError(half)
    return hours % 12 + (12 if half.upper().startswith("P") else 0)


def _parse_offset(offset: str) -> timedelta:
    if offset.upper() in _ZONE_HOURS:
        return timedelta(hours=_ZONE_HOURS[offset.upper()])
    signed = offset.upper().removeprefix("UTC").removeprefix("GMT")
    digits = signed[1:].replace(":", "")
    hours, minutes = (digits[:-2], digits[-2:]) if len(digits) > 2 else (digits, "0")
    width = timedelta(hours=int(hours), minutes=int(minutes))
    return -width if signed[0] == "-" else width


def _parse_regional(match: re.Match[str], day_order: DayOrder | None) -> int | datetime:
    first, mark, second, year = match.groups()[:4]
    if mark != "." and day_order is None:
        raise UnreadableCellError(f"{shorten(match[0])} may begin with the day or the month")
    is_day_first = mark == "." or day_order is DayOrder.DAY_FIRST
    day, month = (first, second) if is_day_first else (second, first)
    return _build_time((year if len(year) == 4 else f"20{year}", month, day), match.groups()[4:])


def _microseconds(fraction: str | None) -> int:
    return int((fraction or "0")[:6].ljust(6, "0"))


def _to_ms(moment: datetime) -> int:
    return round((moment - _EPOCH) / _MS)


def _in_range(at: int, text: str) -> int:
    if not _EARLIEST_MS <= at <= _LATEST_MS:
        raise UnreadableCellError(f"{shorten(text)} lies outside the years 1900 to 2200")
    return at
