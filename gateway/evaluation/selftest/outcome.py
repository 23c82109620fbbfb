"""Results of synthetic peaks and of streams without them. Imports no kernels: the API reads it too."""

from dataclasses import dataclass
from enum import StrEnum

from gateway.evaluation.selftest.injection_plan import DrawnPeak, SyntheticPeak


class PeakOutcome(StrEnum):
    """Outcome of a synthetic peak. Only `found` and `missed` count."""

    FOUND = "found"
    MISSED = "missed"
    OBSCURED = "obscured"  # the stream had another event at that time
    SILENT = "silent"  # too few readings around it


@dataclass(frozen=True, kw_only=True)
class PeakResult:
    """A peak and its outcome; delay in s after its onset, size as a share of the largest reading."""

    drawn_peak: DrawnPeak
    interval: int
    outcome: PeakOutcome
    peak: SyntheticPeak | None = None
    detected_kind: str | None = None
    delay: float | None = None
    ratio: float | None = None


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """Streams of one property and interval (s) without synthetic peaks: duration, peaks, peaks without neighbours."""

    observed_property: str
    interval: int
    sensor_days: float
    peaks: int
    alone: int
