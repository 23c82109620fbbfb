"""Figures of a report, each of a few numbers that anybody can count again. Pure.

A day is complete if at least 75 % of its expected readings count (gateway/model/validity). Means and highest day means
are of complete days only, and a mean over the period needs 75 % of complete days. Missing days are counted, never
estimated.
"""

from collections.abc import Sequence
from datetime import date, datetime
from statistics import median

from msgspec import Struct

from alerting.averaging import AveragingRule, average_weighted
from gateway.export.selection import MeanRow

COMPLETE_SHARE = 0.75


class Day(Struct, frozen=True, kw_only=True):
    """A legal day, [start, end)."""

    date: date
    start: datetime
    end: datetime


class DayFigure(Struct, frozen=True, kw_only=True):
    """A figure and the day that it is of."""

    value: float
    day: date


class Capture(Struct, frozen=True, kw_only=True):
    """Readings of one datastream over days, and its levels over the complete ones.

    valid     readings that count
    expected  readings of all days, by the usual interval; None if that is unknown
    mean      of all valid readings of complete days; None if fewer than 75 % of the days are complete
    highest   the highest day mean of a complete day
    means     the day means of the complete days
    reading   the highest single valid reading, of any day
    """

    days: int
    complete_days: int
    empty_days: int
    valid: int
    expected: int | None
    mean: float | None
    highest: DayFigure | None
    means: Sequence[float]
    reading: DayFigure | None

    @property
    def share(self) -> float | None:
        """Valid readings as a share of the expected ones; None if it is unknown how many are expected."""
        return self.valid / self.expected if self.expected else None


def is_complete(row: MeanRow) -> bool:
    """Whether enough readings of a day count; never, if it is unknown how many are expected."""
    return bool(row.expected_count) and row.valid_count >= COMPLETE_SHARE * (row.expected_count or 0)


def summarise_days(days: Sequence[Day], rows: Sequence[MeanRow], rule: AveragingRule) -> Capture:
    """Return the readings and levels of a datastream. `rows`: its day means, at most one per day of `days`.

    `rule` is that of its property.
    """
    complete = [row for row in rows if is_complete(row) and row.mean is not None]
    filled = {row.start for row in rows if row.valid_count}
    has_enough = bool(days) and len(complete) >= COMPLETE_SHARE * len(days)
    dates = {day.start: day.date for day in days}
    return Capture(
        days=len(days),
        complete_days=len(complete),
        empty_days=sum(day.start not in filled for day in days),
        valid=sum(row.valid_count for row in rows),
        expected=count_expected(days, rows),
        mean=_weigh_means(complete, rule) if has_enough else None,
        highest=_find_highest([(row.mean, dates[row.start]) for row in complete if row.start in dates]),
        means=[row.mean for row in complete if row.mean is not None],
        reading=_find_highest([(row.max, dates[row.start]) for row in rows if row.start in dates]),
    )


def count_expected(days: Sequence[Day], rows: Sequence[MeanRow]) -> int | None:
    """Return the expected readings of all days, as `list_expected` has them; None if that is unknown."""
    expected = list_expected(days, rows)
    return None if expected is None else sum(expected)


def list_expected(days: Sequence[Day], rows: Sequence[MeanRow]) -> list[int] | None:
    """Return the expected readings of each day; a day without any has the usual rate of the others.

    None if the rate of no day is known.
    """
    expected = {row.start: row.expected_count for row in rows if row.expected_count}
    rates = [row.expected_count / (row.end - row.start).total_seconds() for row in rows if row.expected_count]
    if not rates:
        return None
    rate = median(rates)
    return [expected.get(day.start) or round(rate * (day.end - day.start).total_seconds()) for day in days]


def _weigh_means(rows: Sequence[MeanRow], rule: AveragingRule) -> float:
    """The mean of all valid readings: each day weighs as much as it has valid readings."""
    return average_weighted([(row.mean, row.valid_count) for row in rows if row.mean is not None], rule)


def _find_highest(figures: Sequence[tuple[float | None, date]]) -> DayFigure | None:
    """The highest figure, on the earliest day that has it."""
    dated_values = [(value, day) for value, day in figures if value is not None]
    if not dated_values:
        return None
    value, day = max(dated_values, key=lambda figure: (figure[0], -figure[1].toordinal()))
    return DayFigure(value=value, day=day)
