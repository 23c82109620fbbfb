"""Plumes and data capture of a report by ISO week of the legal day of their onset. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

from msgspec import Struct

from gateway.api.schemas.plumes import Plume
from gateway.export.selection import MeanRow
from gateway.model.legal_day import legal_date
from gateway.reports.statistics import Day, count_expected


class Week(Struct, frozen=True, kw_only=True):
    """A calendar week, or the part of it in the period. `last`: its last day in the period.

    severities    plumes that were not disproved, by severity
    acknowledged  how many of them were acknowledged
    voided        plumes that later readings disproved, in no other count
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
        """Plumes that were not disproved."""
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
    return [
        _build_week(week_days, plumes_by_week.get(monday, []), streams) for monday, week_days in sorted(weeks.items())
    ]


def _build_week(
    days: Sequence[Day], plumes: Sequence[Plume], streams: Sequence[tuple[Sequence[Day], Sequence[MeanRow]]]
) -> Week:
    counted = [plume for plume in plumes if plume.state != "voided"]
    start, end = days[0].start, days[-1].end
    expected = [_count_expected_between(stream_days, rows, start, end) for stream_days, rows in streams]
    known = [number for number in expected if number is not None]
    return Week(
        number=days[0].date.isocalendar().week,
        first=days[0].date,
        last=days[-1].date,
        severities=Counter(plume.severity for plume in counted),
        acknowledged=sum(plume.acknowledged_at is not None for plume in counted),
        voided=len(plumes) - len(counted),
        valid=sum(row.valid_count for _, rows in streams for row in rows if start <= row.start < end),
        expected=sum(known) if known and len(known) == len(expected) else None,
    )


def _count_expected_between(days: Sequence[Day], rows: Sequence[MeanRow], start: datetime, end: datetime) -> int | None:
    """The expected readings of the days in [start, end): the usual rate is that of the whole period."""
    part = [day for day in days if start <= day.start < end]
    total = count_expected(days, rows)
    if total is None:
        return None
    rest = [day for day in days if not start <= day.start < end]
    return total - (count_expected(rest, rows) or 0) if part else 0


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
