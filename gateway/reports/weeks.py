"""Plumes and data capture of a report by ISO week of the legal day of their onset. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

from msgspec import Struct

from gateway.api.schemas.plumes import Plume
from gateway.export.selection import MeanRow
from gateway.model.legal_day import legal_date
from gateway.reports.statistics import Day, list_expected


class Week(Struct, frozen=True, kw_only=True):
    """A calendar week, or the part of it in the period. `last`: its last day in the period.

    severities    plumes that count, by severity
    acknowledged  how many of them were acknowledged
    voided        plumes that proved to be none, in no other count
    valid         readings that count, of all datastreams on which peaks are detected
    expected      readings that were expected of them; None if that is unknown of one of them
    """

    number: int
    first: date
    last: date
    severities: Mapping[str, int]
    acknowledged: int
    voided: int
    valid: int
    expected: int | None

    @property
    def plumes(self) -> int:
        """Plumes that count."""
        return sum(self.severities.values())


def group_by_week(
    days: Sequence[Day],
    plumes: Sequence[Plume],
    streams: Sequence[tuple[Sequence[Day], Sequence[MeanRow]]],
    time_zone: str,
) -> list[Week]:
    """Return every week of the period, also those without plumes. `streams`: days and day means of each datastream."""
    weeks = dict[date, list[Day]]()
    for day in days:
        weeks.setdefault(_monday(day.date), []).append(day)
    plumes_by_week = dict[date, list[Plume]]()
    for plume in plumes:
        onset = legal_date(datetime.fromisoformat(plume.onset), time_zone)
        plumes_by_week.setdefault(_monday(onset), []).append(plume)
    counts = _count_by_day(streams)
    return [
        _build_week(week_days, plumes_by_week.get(monday, []), counts) for monday, week_days in sorted(weeks.items())
    ]


class _DayCounts(Struct, frozen=True, kw_only=True):
    """Readings of all datastreams by the begin of the day; `is_known`: it is known of each how many are expected."""

    valid: Mapping[datetime, int]
    expected: Mapping[datetime, int]
    is_known: bool


def _count_by_day(streams: Sequence[tuple[Sequence[Day], Sequence[MeanRow]]]) -> _DayCounts:
    valid, expected, is_known = Counter[datetime](), Counter[datetime](), bool(streams)
    for stream_days, rows in streams:
        for row in rows:
            valid[row.start] += row.valid_count
        numbers = list_expected(stream_days, rows)
        is_known = is_known and numbers is not None
        for day, number in zip(stream_days, numbers or (), strict=False):
            expected[day.start] += number
    return _DayCounts(valid=valid, expected=expected, is_known=is_known)


def _build_week(days: Sequence[Day], plumes: Sequence[Plume], counts: _DayCounts) -> Week:
    counted = [plume for plume in plumes if plume.state != "voided"]
    return Week(
        number=days[0].date.isocalendar().week,
        first=days[0].date,
        last=days[-1].date,
        severities=Counter(plume.severity for plume in counted),
        acknowledged=sum(plume.acknowledged_at is not None for plume in counted),
        voided=len(plumes) - len(counted),
        valid=sum(counts.valid.get(day.start, 0) for day in days),
        expected=sum(counts.expected.get(day.start, 0) for day in days) if counts.is_known else None,
    )


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
