"""Detection rates of synthetic peaks, with their uncertainty. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import median

from gateway.evaluation.selftest.outcome import Exposure, PeakOutcome, PeakResult

_Z = 1.959963984540054  # 95 %, two-sided


@dataclass(frozen=True, kw_only=True)
class DetectionRate:
    """Peaks of one property, interval (s) and height (times the noise): how many, medians of delay and size."""

    observed_property: str
    interval: int
    multiple: float
    injected: int
    found: int
    delay: float | None
    ratio: float | None

    @property
    def probability(self) -> float:
        """Share of detected peaks."""
        return self.found / self.injected

    @property
    def confidence_interval(self) -> tuple[float, float]:
        """95 % interval of the share."""
        return wilson_interval(self.found, self.injected)


def wilson_interval(successes: int, total: int) -> tuple[float, float]:
    """Return Wilson's score interval of a share, 95 % (JASA 22, 209); (0, 1) for a total of 0."""
    if total == 0:
        return 0.0, 1.0
    share, z2 = successes / total, _Z * _Z
    centre, half = share + z2 / (2 * total), _Z * sqrt(share * (1 - share) / total + z2 / (4 * total * total))
    low, high = (centre - half) / (1 + z2 / total), (centre + half) / (1 + z2 / total)
    return max(0.0, low) if successes else 0.0, min(1.0, high) if successes < total else 1.0


def compute_detection_rates(peak_results: Iterable[PeakResult]) -> list[DetectionRate]:
    """Return detection rates of the results that count."""
    groups: dict[tuple[str, int, float], list[PeakResult]] = defaultdict(list)
    for result in peak_results:
        if result.outcome in {PeakOutcome.FOUND, PeakOutcome.MISSED}:
            groups[result.drawn_peak.stream.observed_property, result.interval, result.drawn_peak.multiple].append(
                result
            )
    return [_compute_detection_rate(*key, group) for key, group in sorted(groups.items())]


def _compute_detection_rate(
    observed_property: str, interval: int, multiple: float, peak_results: Sequence[PeakResult]
) -> DetectionRate:
    hits = [result for result in peak_results if result.outcome is PeakOutcome.FOUND]
    return DetectionRate(
        observed_property=observed_property,
        interval=interval,
        multiple=multiple,
        injected=len(peak_results),
        found=len(hits),
        delay=median([result.delay for result in hits if result.delay is not None]) if hits else None,
        ratio=median([result.ratio for result in hits if result.ratio is not None]) if hits else None,
    )


def sum_exposures(exposures: Iterable[Exposure]) -> list[Exposure]:
    """Sum exposures of the same property and interval."""
    sums: dict[tuple[str, int], list[Exposure]] = defaultdict(list)
    for exposure in exposures:
        sums[exposure.observed_property, exposure.interval].append(exposure)
    return [
        Exposure(
            observed_property=name,
            interval=interval,
            sensor_days=sum(exposure.sensor_days for exposure in group),
            peaks=sum(exposure.peaks for exposure in group),
            alone=sum(exposure.alone for exposure in group),
        )
        for (name, interval), group in sorted(sums.items())
    ]
