"""From many synthetic peaks to a few figures with what they leave uncertain. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import median

from gateway.evaluation.selftest.outcome import Exposure, Outcome, Verdict

_Z = 1.959963984540054  # 95 %, two-sided


@dataclass(frozen=True, kw_only=True)
class Found:
    """Peaks of one property, interval (s) and height (times the noise): how many, found, medians of delay and size."""

    observed_property: str
    interval: int
    multiple: float
    injected: int
    found: int
    delay: float | None
    ratio: float | None

    @property
    def probability(self) -> float:
        """Share that was found."""
        return self.found / self.injected

    @property
    def between(self) -> tuple[float, float]:
        """95 % interval of it."""
        return wilson(self.found, self.injected)


def wilson(found: int, of: int) -> tuple[float, float]:
    """Wilson's score interval of a share, 95 % (JASA 22, 209); (0, 1) of none."""
    if of == 0:
        return 0.0, 1.0
    share, z2 = found / of, _Z * _Z
    centre, half = share + z2 / (2 * of), _Z * sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    low, high = (centre - half) / (1 + z2 / of), (centre + half) / (1 + z2 / of)
    return max(0.0, low) if found else 0.0, min(1.0, high) if found < of else 1.0


def summed(verdicts: Iterable[Verdict]) -> list[Found]:
    """Figures of the verdicts that count."""
    groups: dict[tuple[str, int, float], list[Verdict]] = defaultdict(list)
    for one in verdicts:
        if one.outcome in {Outcome.FOUND, Outcome.MISSED}:
            groups[one.draw.stream.observed_property, one.interval, one.draw.multiple].append(one)
    return [_figure(*key, ones) for key, ones in sorted(groups.items())]


def _figure(observed_property: str, interval: int, multiple: float, verdicts: Sequence[Verdict]) -> Found:
    hits = [v for v in verdicts if v.outcome is Outcome.FOUND]
    return Found(
        observed_property=observed_property,
        interval=interval,
        multiple=multiple,
        injected=len(verdicts),
        found=len(hits),
        delay=median([v.delay for v in hits if v.delay is not None]) if hits else None,
        ratio=median([v.ratio for v in hits if v.ratio is not None]) if hits else None,
    )


def together(exposures: Iterable[Exposure]) -> list[Exposure]:
    """Hours of the same property and interval as one."""
    sums: dict[tuple[str, int], list[Exposure]] = defaultdict(list)
    for one in exposures:
        sums[one.observed_property, one.interval].append(one)
    return [
        Exposure(
            observed_property=name,
            interval=interval,
            sensor_days=sum(one.sensor_days for one in ones),
            peaks=sum(one.peaks for one in ones),
            alone=sum(one.alone for one in ones),
        )
        for (name, interval), ones in sorted(sums.items())
    ]
