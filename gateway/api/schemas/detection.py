"""What is published of the detector's tests: how many synthetic peaks it found, and what it told without any."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta

from gateway.api.data.database import Database
from gateway.api.schemas.schema import Id, Instant, LicensedDocument, Schema, format_instant
from gateway.evaluation.selftest import telemetry
from gateway.evaluation.selftest.statistics import DetectionRate


class SyntheticPeaks(Schema, frozen=True, kw_only=True):
    """Synthetic peaks of one height, added to a copy of what stations measured; nobody is alerted of them."""

    multiple: Annotated[float, Meta(description="height, times the stream's own noise", examples=[10.0])]
    injected: Annotated[int, Meta(examples=[120])]
    found: Annotated[int, Meta(examples=[117])]
    probability: Annotated[float, Meta(description="found / injected", examples=[0.975])]
    low: Annotated[float, Meta(description="Wilson's 95 % interval of it", examples=[0.929])]
    high: Annotated[float, Meta(examples=[0.991])]
    median_delay: Annotated[float | None, Meta(description="from onset to detection, s", examples=[40.0])]
    median_size_ratio: Annotated[float | None, Meta(description="size as found, of the true one", examples=[0.95])]


class DetectionFigure(Schema, frozen=True, kw_only=True):
    """How well peaks of one property are found in streams of one sampling interval."""

    observed_property: Id
    interval: Annotated[int, Meta(description="nominal, s", examples=[10])]
    sensor_days: Annotated[float, Meta(description="watched without synthetic peaks", examples=[240.0])]
    peaks: Annotated[int, Meta(description="peaks told there", examples=[31])]
    alone: Annotated[int, Meta(description="of these seen by no neighbour: false, or real at one place", examples=[12])]
    alone_per_sensor_day: Annotated[float | None, Meta(description="no more false alarms than this", examples=[0.05])]
    synthetic: list[SyntheticPeaks]


class DetectionFigures(LicensedDocument, frozen=True, kw_only=True):
    """The detector, judged while it works: over the thirty days up to the hour examined last."""

    detector: Annotated[str | None, Meta(description="null: not tested here", examples=["peak@2#7ec8e0b6"])] = None
    since: Instant | None = None
    until: Instant | None = None
    items: list[DetectionFigure]


async def fetch_detection_figures(database: Database, attribution: str) -> DetectionFigures:
    """Read them, and show them to Prometheus too."""
    peaks, exposures = (
        await database.fetch_rows("summarise_selftest_peaks"),
        await database.fetch_rows("summarise_selftest_exposure"),
    )
    rates = [_rate_from_row(row) for row in peaks]
    _export_metrics(rates, exposures)
    return DetectionFigures(
        detector=peaks[0][0] if peaks else None,
        since=_bound_hour(min, [row[1] for row in peaks]),
        until=_bound_hour(max, [row[2] for row in peaks]),
        items=[_build_figure(row, rates) for row in exposures],
        attribution=attribution,
    )


def _bound_hour(pick: Any, hours: Sequence[datetime]) -> str | None:  # noqa: ANN401 - min or max
    return format_instant(pick(hours)) if hours else None


def _rate_from_row(row: Sequence[Any]) -> DetectionRate:
    _, _, _, name, interval, multiple, injected, found, delay, ratio = row
    return DetectionRate(
        observed_property=name,
        interval=interval,
        multiple=multiple,
        injected=injected,
        found=found,
        delay=delay,
        ratio=ratio,
    )


def _build_figure(row: Sequence[Any], rates: Sequence[DetectionRate]) -> DetectionFigure:
    name, interval, days, peaks, alone = row
    return DetectionFigure(
        observed_property=name,
        interval=interval,
        sensor_days=days,
        peaks=peaks,
        alone=alone,
        alone_per_sensor_day=alone / days if days else None,
        synthetic=[
            _build_synthetic_peaks(rate)
            for rate in rates
            if (rate.observed_property, rate.interval) == (name, interval)
        ],
    )


def _build_synthetic_peaks(rate: DetectionRate) -> SyntheticPeaks:
    low, high = rate.confidence_interval
    return SyntheticPeaks(
        multiple=rate.multiple,
        injected=rate.injected,
        found=rate.found,
        probability=rate.probability,
        low=low,
        high=high,
        median_delay=rate.delay,
        median_size_ratio=rate.ratio,
    )


def _export_metrics(rates: Sequence[DetectionRate], exposures: Sequence[Sequence[Any]]) -> None:
    for rate in rates:
        labels = rate.observed_property, str(rate.interval), f"{rate.multiple:g}"
        telemetry.PEAKS.labels(*labels).set(rate.injected)
        telemetry.PROBABILITY.labels(*labels).set(rate.probability)
        for metric, value in ((telemetry.DELAY, rate.delay), (telemetry.RATIO, rate.ratio)):
            if value is not None:
                metric.labels(*labels).set(value)
    for name, interval, days, _, alone in exposures:
        if days:
            telemetry.ALONE.labels(name, str(interval)).set(alone / days)
