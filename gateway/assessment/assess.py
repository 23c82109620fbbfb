"""The hours of a station beside published levels: pure, from arrays of complete hours.

A level is never assessed from means over a longer or shorter time than its own. A level that cannot be assessed
is a refusal with its reason, not a number. Called by the API, the pages, reports, `piekwacht assess` and the benchmark.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum

import numpy as np
from msgspec import Struct

from gateway.assessment.averaging import (
    HOUR_SECONDS,
    HOURS_OF_8_HOUR_MEAN,
    HOURS_OF_DAY_MEAN,
    CountArray,
    average_days,
    count_runs,
    find_daily_maxima,
    roll_means,
    seconds_at_or_above,
)
from gateway.assessment.levels import LevelAveraging, PublishedLevel, levels_of
from gateway.model.observation import FloatArray

_DAY_HOURS, _YEAR_HOURS = 24, 8_760


class UnassessedReason(StrEnum):
    """Why a level is not assessed."""

    NO_COVERAGE_SETTING = "no_coverage_setting"  # the setting is absent
    TOO_FEW_HOURS = "too_few_hours"  # the year has fewer complete hours than the setting asks for
    NO_WHOLE_YEAR = "no_whole_year"  # the period is no year
    SHORTER_THAN_AN_HOUR = "shorter_than_an_hour"  # the level averages over ten minutes
    NO_COMPLETE_PERIOD = "no_complete_period"  # no hour or day of the period is complete


class UnassessedLevel(Struct, frozen=True, kw_only=True):
    """A level that is not assessed. `share`: complete hours of the year; `needed`: of the setting; both from 0 to 1."""

    level: PublishedLevel
    reason: UnassessedReason
    share: float | None = None
    needed: float | None = None


class LevelCount(Struct, frozen=True, kw_only=True):
    """How often means were at or above a level.

    at_or_above  hours or days (of a level over a year: 0 or 1)
    complete     hours or days that count
    periods      hours or days of the period
    highest      the highest mean of these, in ug/m3
    seconds      total time of the hours or days at or above; None for a level over a year
    """

    level: PublishedLevel
    at_or_above: int
    complete: int
    periods: int
    highest: float
    seconds: int | None


class RollingMeans(Struct, frozen=True, kw_only=True):
    """Means that end with the last hour of the series, in ug/m3; None with too few complete hours."""

    hour: float | None
    eight_hours: float | None
    day: float | None
    year: float | None


class SubstanceAssessment(Struct, frozen=True, kw_only=True):
    """A substance at one station. `share`: complete hours of all hours of the period, from 0 to 1."""

    substance: str
    hours: int
    complete_hours: int
    days: int
    complete_days: int
    rolling: RollingMeans
    counts: Sequence[LevelCount]
    refusals: Sequence[UnassessedLevel]

    @property
    def share(self) -> float:
        """Complete hours of all hours."""
        return self.complete_hours / self.hours if self.hours else 0.0


class AssessedPeriod(Struct, frozen=True, kw_only=True):
    """A period of whole legal days. `edges`: begin of each day and the last end, in seconds of Unix time."""

    edges: Sequence[int]

    @property
    def first(self) -> int:
        """The first whole hour, in seconds of Unix time."""
        return -(-self.edges[0] // HOUR_SECONDS) * HOUR_SECONDS

    @property
    def hours(self) -> int:
        """Whole hours of the period."""
        return (self.edges[-1] - self.first) // HOUR_SECONDS

    @property
    def is_year(self) -> bool:
        """Whether it has as many days as a calendar year, from the same date to the same date."""
        begin, end = (datetime.fromtimestamp(at + 43_200, UTC).date() for at in (self.edges[0], self.edges[-1]))
        return (begin.month, begin.day) == (end.month, end.day) and end.year == begin.year + 1


def assess_substance(
    substance: str, series: FloatArray, period: AssessedPeriod, year_coverage: float | None
) -> SubstanceAssessment:
    """Assess the complete hours of a period, in ug/m3, NaN where an hour is not complete.

    `series` begins with the period and has at least its hours. Later hours count for the running means alone, which
    end with the last hour of the series. `year_coverage`: share of the hours of a year that a mean over it needs, from
    0 to 1; None: no year is assessed.
    """
    whole, series = series, series[: period.hours]
    days = average_days(series, period.first, period.edges)
    counts, refusals = list[LevelCount](), list[UnassessedLevel]()
    for level in levels_of(substance):
        outcome = _assess_level(level, series, days, period, year_coverage)
        (counts if isinstance(outcome, LevelCount) else refusals).append(outcome)  # type: ignore[arg-type]
    return SubstanceAssessment(
        substance=substance,
        hours=period.hours,
        complete_hours=int(np.isfinite(series).sum()),
        days=len(days),
        complete_days=int(np.isfinite(days).sum()),
        rolling=_roll(whole, year_coverage),
        counts=counts,
        refusals=refusals,
    )


def _assess_level(
    level: PublishedLevel, series: FloatArray, days: FloatArray, period: AssessedPeriod, year_coverage: float | None
) -> LevelCount | UnassessedLevel:
    match level.averaging:
        case LevelAveraging.TEN_MINUTES:
            return UnassessedLevel(level=level, reason=UnassessedReason.SHORTER_THAN_AN_HOUR)
        case LevelAveraging.YEAR:
            return _assess_year(level, series, period, year_coverage)
        case LevelAveraging.HOUR:
            return _count(level, series, HOUR_SECONDS)
        case LevelAveraging.DAY:
            return _count(level, days, np.diff(period.edges))
        case LevelAveraging.EIGHT_HOURS:
            rolled = roll_means(series, 8, HOURS_OF_8_HOUR_MEAN)
            maxima = find_daily_maxima(rolled, period.first, period.edges)
            return _count(level, maxima, np.diff(period.edges))


def _count(level: PublishedLevel, means: FloatArray, widths: CountArray | int) -> LevelCount | UnassessedLevel:
    complete = means[np.isfinite(means)]
    if not len(complete):
        return UnassessedLevel(level=level, reason=UnassessedReason.NO_COMPLETE_PERIOD)
    return LevelCount(
        level=level,
        at_or_above=count_runs(means, level.value, level.consecutive_hours),
        complete=len(complete),
        periods=len(means),
        highest=float(complete.max()),
        seconds=seconds_at_or_above(means, level.value, widths),
    )


def _assess_year(
    level: PublishedLevel, series: FloatArray, period: AssessedPeriod, year_coverage: float | None
) -> LevelCount | UnassessedLevel:
    if not period.is_year:
        return UnassessedLevel(level=level, reason=UnassessedReason.NO_WHOLE_YEAR)
    if year_coverage is None:
        return UnassessedLevel(level=level, reason=UnassessedReason.NO_COVERAGE_SETTING)
    complete = series[np.isfinite(series)]
    share = len(complete) / len(series)
    if share < year_coverage or not len(complete):
        return UnassessedLevel(level=level, reason=UnassessedReason.TOO_FEW_HOURS, share=share, needed=year_coverage)
    mean = float(complete.mean())
    return LevelCount(
        level=level, at_or_above=int(mean >= level.value), complete=1, periods=1, highest=mean, seconds=None
    )


def _roll(series: FloatArray, year_coverage: float | None) -> RollingMeans:
    return RollingMeans(
        hour=_end(series, 1, 1),
        eight_hours=_end(series, 8, HOURS_OF_8_HOUR_MEAN),
        day=_end(series, _DAY_HOURS, HOURS_OF_DAY_MEAN),
        year=None if year_coverage is None else _end(series, _YEAR_HOURS, max(1, round(_YEAR_HOURS * year_coverage))),
    )


def _end(series: FloatArray, width: int, needed: int) -> float | None:
    """The mean of the last `width` hours; None with fewer than `needed` complete ones."""
    values = series[-width:]
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) >= needed else None
