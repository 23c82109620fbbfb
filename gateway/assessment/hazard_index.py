"""Hazard Index of a station: the sum of means over a rolling year, each over its limit. Pure.

    HI = sum of mean_i / limit_i

After RIVM's note on Chemelot it is about substances that are measured specifically: by samples of a laboratory, or by a
sensor whose gas is declared. A total of volatile compounds only bounds a substance, by a declared mixture: then the
lowest value is 0. There is no Hazard Index of a moment, an hour or a day: it would be a false claim.

The interval takes all uncertainties at their worst at once. A missing substance refuses the whole index and is
named: a sum without one of its parts would be too low.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from gateway.assessment.hazard_settings import HazardIndexSettings, HazardSensor

ROLLING_YEAR = timedelta(days=365)


class LaboratorySample(Struct, frozen=True, kw_only=True):
    """The mean of a substance over a sample, in ug/m3. `uncertainty`: relative and expanded, such as 0.2."""

    substance: str
    start: datetime
    end: datetime
    value: float
    uncertainty: float
    laboratory: str


class SensorYear(Struct, frozen=True, kw_only=True):
    """The mean of a declared sensor over the rolling year in its own unit. `share`: complete hours of all hours."""

    sensor: HazardSensor
    mean: float | None
    share: float


class HazardRefusal(StrEnum):
    """Why there is no Hazard Index."""

    NO_COVERAGE_SETTING = "no_coverage_setting"
    NOT_MEASURED = "not_measured"  # nothing measures the substance at this station
    TOO_FEW_HOURS = "too_few_hours"  # the samples or hours cover too little of the year
    SAMPLES_OVERLAP = "samples_overlap"  # two samples of a substance are about the same time


class HazardPart(Struct, frozen=True, kw_only=True):
    """A substance of the index: its mean over the year as an interval in ug/m3, and the limit with its source.

    basis  laboratory, sensor or mixture; share: of the year that is covered, from 0 to 1
    """

    substance: str
    basis: str
    lowest: float
    highest: float
    share: float
    limit: float
    source: str


class HazardIndex(Struct, frozen=True, kw_only=True):
    """The index as an interval over [start, end), or why there is none: then both bounds are None."""

    start: datetime
    end: datetime
    parts: Sequence[HazardPart]
    lowest: float | None = None
    highest: float | None = None
    refusal: HazardRefusal | None = None
    substance: str = ""  # that the refusal is about
    share: float | None = None
    needed: float | None = None


def compute_hazard_index(
    settings: HazardIndexSettings,
    samples: Sequence[LaboratorySample],
    sensors: Sequence[SensorYear],
    end: datetime,
    year_coverage: float | None,
) -> HazardIndex:
    """Return the index of the rolling year that ends at `end`. `samples` and `sensors`: of one station."""
    period = end - ROLLING_YEAR, end
    if year_coverage is None:
        return _refuse(period, (), HazardRefusal.NO_COVERAGE_SETTING)
    parts = list[HazardPart]()
    for row in settings.substance:
        own = [sample for sample in samples if sample.substance == row.name and _is_inside(sample, period)]
        part: HazardPart | HazardRefusal
        if own:
            part = _from_samples(own, period, row.limit, row.source)
        else:
            part = _from_sensors(settings, row.name, sensors, row.limit, row.source)
        if isinstance(part, HazardRefusal):
            return _refuse(period, parts, part, row.name)
        if part.share < year_coverage:
            return HazardIndex(
                start=period[0], end=end, parts=parts, refusal=HazardRefusal.TOO_FEW_HOURS, substance=row.name,
                share=part.share, needed=year_coverage,
            )  # fmt: skip
        parts.append(part)
    return HazardIndex(
        start=period[0],
        end=end,
        parts=parts,
        lowest=sum(part.lowest / part.limit for part in parts),
        highest=sum(part.highest / part.limit for part in parts),
    )


def _refuse(
    period: tuple[datetime, datetime], parts: Sequence[HazardPart], reason: HazardRefusal, substance: str = ""
) -> HazardIndex:
    return HazardIndex(start=period[0], end=period[1], parts=parts, refusal=reason, substance=substance)


def _is_inside(sample: LaboratorySample, period: tuple[datetime, datetime]) -> bool:
    return sample.start < period[1] and sample.end > period[0]


def _from_samples(
    samples: Sequence[LaboratorySample], period: tuple[datetime, datetime], limit: float, source: str
) -> HazardPart | HazardRefusal:
    """Each sample weighs as long as it lies in the year."""
    ordered = sorted(samples, key=lambda sample: sample.start)
    total = lowest = highest = 0.0
    until = period[0]
    for sample in ordered:
        start, end = max(sample.start, period[0]), min(sample.end, period[1])
        if start < until:
            return HazardRefusal.SAMPLES_OVERLAP
        until, seconds = end, (end - start).total_seconds()
        total += seconds
        lowest += seconds * sample.value * max(0.0, 1 - sample.uncertainty)
        highest += seconds * sample.value * (1 + sample.uncertainty)
    return HazardPart(
        substance=ordered[0].substance,
        basis="laboratory",
        lowest=lowest / total,
        highest=highest / total,
        share=total / ROLLING_YEAR.total_seconds(),
        limit=limit,
        source=source,
    )


def _from_sensors(
    settings: HazardIndexSettings, substance: str, sensors: Sequence[SensorYear], limit: float, source: str
) -> HazardPart | HazardRefusal:
    """A sensor of the gas itself, else one of a total with a mixture that names the substance."""
    for year in sorted(sensors, key=lambda year: year.sensor.mixture != ""):
        fraction = _fraction_of(settings, year.sensor, substance)
        if fraction is None or year.mean is None:
            continue
        mean = year.mean * year.sensor.micrograms_per_unit * fraction
        spread = year.sensor.uncertainty
        return HazardPart(
            substance=substance,
            basis="mixture" if year.sensor.mixture else "sensor",
            lowest=0.0 if year.sensor.mixture else mean * max(0.0, 1 - spread),
            highest=mean * (1 + spread),
            share=year.share,
            limit=limit,
            source=source,
        )
    return HazardRefusal.NOT_MEASURED


def _fraction_of(settings: HazardIndexSettings, sensor: HazardSensor, substance: str) -> float | None:
    if not sensor.mixture:
        return 1.0 if sensor.substance == substance else None
    fractions: Mapping[str, float] = next(row.fractions for row in settings.mixture if row.name == sensor.mixture)
    return fractions.get(substance)
