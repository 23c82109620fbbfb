"""Types of the detector's self-test figures: synthetic peaks found, and peaks reported without any. Pure."""

from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta

from gateway.api.schemas.schema import Id, Instant, LicensedDocument, Schema
from gateway.evaluation.selftest.outcome import Exposure
from gateway.evaluation.selftest.statistics import DetectionRate


class SyntheticPeaks(Schema, frozen=True, kw_only=True):
    """Synthetic peaks of one height, added to a copy of the readings of stations; nobody is alerted of them."""

    multiple: Annotated[float, Meta(description="height as a multiple of the noise of the datastream", examples=[10.0])]
    injected: Annotated[int, Meta(examples=[120])]
    found: Annotated[int, Meta(examples=[117])]
    probability: Annotated[float, Meta(description="found / injected", examples=[0.975])]
    low: Annotated[float, Meta(description="lower end of the 95 % interval (Wilson)", examples=[0.929])]
    high: Annotated[float, Meta(description="upper end of the interval", examples=[0.991])]
    median_delay: Annotated[float | None, Meta(description="from onset to detection, s", examples=[40.0])]
    median_size_ratio: Annotated[float | None, Meta(description="detected size / true size", examples=[0.95])]


class DetectionFigure(Schema, frozen=True, kw_only=True):
    """How well peaks of one property are detected in datastreams of one sampling interval."""

    observed_property: Id
    interval: Annotated[int, Meta(description="nominal, s", examples=[10])]
    sensor_days: Annotated[float, Meta(description="without synthetic peaks", examples=[240.0])]
    peaks: Annotated[int, Meta(description="peaks reported in these days", examples=[31])]
    alone: Annotated[int, Meta(description="of these, seen by no neighbour: false, or local", examples=[12])]
    alone_per_sensor_day: Annotated[float | None, Meta(description="upper bound of false alarms", examples=[0.05])]
    synthetic: list[SyntheticPeaks]


class DetectionFigures(LicensedDocument, frozen=True, kw_only=True):
    """The self-test of the running detector, over the thirty days up to its last tested hour."""

    detector: Annotated[str | None, Meta(description="null: not tested here", examples=["peak@2#7ec8e0b6"])] = None
    since: Instant | None = None
    until: Instant | None = None
    items: list[DetectionFigure]


def build_detection_figure(exposure: Exposure, rates: Iterable[DetectionRate]) -> DetectionFigure:
    """The figure of one property and sampling interval. `rates`: of any; those of the same two are used."""
    return DetectionFigure(
        observed_property=exposure.observed_property,
        interval=exposure.interval,
        sensor_days=exposure.sensor_days,
        peaks=exposure.peaks,
        alone=exposure.alone,
        alone_per_sensor_day=exposure.alone / exposure.sensor_days if exposure.sensor_days else None,
        synthetic=[
            _build_synthetic_peaks(rate)
            for rate in rates
            if (rate.observed_property, rate.interval) == (exposure.observed_property, exposure.interval)
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
