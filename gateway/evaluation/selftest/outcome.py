"""What became of a synthetic peak, and of streams without one: read also where nothing may be compiled."""

from dataclasses import dataclass
from enum import StrEnum

from gateway.evaluation.selftest.injection_plan import DrawnPeak, SyntheticPeak


class PeakOutcome(StrEnum):
    """What became of a synthetic peak. Only `found` and `missed` count."""

    FOUND = "found"
    MISSED = "missed"
    OBSCURED = "obscured"  # the stream had an event of its own just then
    SILENT = "silent"  # too few readings around it


@dataclass(frozen=True, kw_only=True)
class PeakResult:
    """A peak and what became of it; s after its onset, excess as a share of the largest reading's."""

    drawn_peak: DrawnPeak
    interval: int
    outcome: PeakOutcome
    peak: SyntheticPeak | None = None
    detected_kind: str | None = None
    delay: float | None = None
    ratio: float | None = None


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """Streams of one property and interval (s) without synthetic peaks: how long, how many peaks, with no neighbour."""

    observed_property: str
    interval: int
    sensor_days: float
    peaks: int
    alone: int
