"""What is published of the detector's tests: how many synthetic peaks it found, and what it told without any."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta

from gateway.api.data.database import Reader
from gateway.api.schemas.schema import Id, Instant, Open, Shape, instant
from gateway.evaluation.selftest import telemetry
from gateway.evaluation.selftest.statistics import Found


class SyntheticPeaks(Shape, frozen=True, kw_only=True):
    """Synthetic peaks of one height, added to a copy of what stations measured; nobody is alerted of them."""

    multiple: Annotated[float, Meta(description="height, times the stream's own noise", examples=[10.0])]
    injected: Annotated[int, Meta(examples=[120])]
    found: Annotated[int, Meta(examples=[117])]
    probability: Annotated[float, Meta(description="found / injected", examples=[0.975])]
    low: Annotated[float, Meta(description="Wilson's 95 % interval of it", examples=[0.929])]
    high: Annotated[float, Meta(examples=[0.991])]
    median_delay: Annotated[float | None, Meta(description="from onset to detection, s", examples=[40.0])]
    median_size_ratio: Annotated[float | None, Meta(description="size as found, of the true one", examples=[0.95])]


class DetectionFigure(Shape, frozen=True, kw_only=True):
    """How well peaks of one property are found in streams of one sampling interval."""

    observed_property: Id
    interval: Annotated[int, Meta(description="nominal, s", examples=[10])]
    sensor_days: Annotated[float, Meta(description="watched without synthetic peaks", examples=[240.0])]
    peaks: Annotated[int, Meta(description="peaks told there", examples=[31])]
    alone: Annotated[int, Meta(description="of these seen by no neighbour: false, or real at one place", examples=[12])]
    alone_per_sensor_day: Annotated[float | None, Meta(description="no more false alarms than this", examples=[0.05])]
    synthetic: list[SyntheticPeaks]


class DetectionFigures(Open, frozen=True, kw_only=True):
    """The detector, judged while it works: over the thirty days up to the hour examined last."""

    detector: Annotated[str | None, Meta(description="null: not tested here", examples=["peak@2#7ec8e0b6"])] = None
    since: Instant | None = None
    until: Instant | None = None
    items: list[DetectionFigure]


async def figures(reader: Reader, attribution: str) -> DetectionFigures:
    """Read them, and show them to Prometheus too."""
    peaks, watched = await reader.rows("selftest_peaks"), await reader.rows("selftest_exposure")
    found = [_found(row) for row in peaks]
    _show(found, watched)
    return DetectionFigures(
        detector=peaks[0][0] if peaks else None,
        since=_edge(min, [row[1] for row in peaks]),
        until=_edge(max, [row[2] for row in peaks]),
        items=[_item(row, found) for row in watched],
        attribution=attribution,
    )


def _edge(which: Any, hours: Sequence[datetime]) -> str | None:  # noqa: ANN401 - min or max
    return instant(which(hours)) if hours else None


def _found(row: Sequence[Any]) -> Found:
    _, _, _, name, interval, multiple, injected, found, delay, ratio = row
    return Found(
        observed_property=name,
        interval=interval,
        multiple=multiple,
        injected=injected,
        found=found,
        delay=delay,
        ratio=ratio,
    )


def _item(row: Sequence[Any], found: Sequence[Found]) -> DetectionFigure:
    name, interval, days, peaks, alone = row
    return DetectionFigure(
        observed_property=name,
        interval=interval,
        sensor_days=days,
        peaks=peaks,
        alone=alone,
        alone_per_sensor_day=alone / days if days else None,
        synthetic=[_synthetic(one) for one in found if (one.observed_property, one.interval) == (name, interval)],
    )


def _synthetic(one: Found) -> SyntheticPeaks:
    low, high = one.between
    return SyntheticPeaks(
        multiple=one.multiple,
        injected=one.injected,
        found=one.found,
        probability=one.probability,
        low=low,
        high=high,
        median_delay=one.delay,
        median_size_ratio=one.ratio,
    )


def _show(found: Sequence[Found], watched: Sequence[Sequence[Any]]) -> None:
    for one in found:
        of = one.observed_property, str(one.interval), f"{one.multiple:g}"
        telemetry.PEAKS.labels(*of).set(one.injected)
        telemetry.PROBABILITY.labels(*of).set(one.probability)
        for metric, value in ((telemetry.DELAY, one.delay), (telemetry.RATIO, one.ratio)):
            if value is not None:
                metric.labels(*of).set(value)
    for name, interval, days, _, alone in watched:
        if days:
            telemetry.ALONE.labels(name, str(interval)).set(alone / days)
