"""Preliminary marks: datastreams whose last reading may be the beginning of a peak. Pure.

The detector opens an event once it is sure enough. Until then its state shows what it follows: a rise (C > 0), or a
candidate that the judge has not accepted yet. A mark is derived from that state alone, so nothing is stored for it, and
a restarted gateway derives the same marks. It ends when the event opens, or when the readings fall back.

A reading stands out as in `kernels.corroboration`: more than three times the noise, and more than `smallest`, above the
background. Readings with a flag that no mean counts leave that state unchanged, so they never mark.

A mark is no input of the detector, and no `Event`: nothing that stores, exports or alerts sees it.
"""

import math

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from gateway.detection.detector import Detector, DetectorState
from gateway.detection.kernels.baseline import HYGROSCOPIC_GROWTH, WARM_UP_READINGS
from gateway.detection.kernels.corroboration import RISE_NOISE
from gateway.detection.kernels.detect import JUDGED_GAP_MS, LONGEST_INTERVAL_MS
from gateway.detection.records import NOT_JUDGED, PEAK

_HOLD_MS = 5_000  # ms: a mark does not end at one reading that is lower, on streams with several readings in that time
_SHORTEST_LIFE_MS = 120_000  # ms: nodes may send the readings of a minute together
_LIFE_GAPS = 3  # intervals
LEAST_CONFIDENCE = 0.2  # a smaller chance is no mark
# Fitted by tests/benchmarks/detection/preliminary.py; docs/detection.md has the results.
_MIN_RATIO, _MAX_RATIO = 1.0, 12.0  # units of noise
_RISE_INTERCEPT, _RISE_COEFFICIENT = -3.21, 1.76  # of log(excess / noise)
_CANDIDATE_INTERCEPT, _CANDIDATE_COEFFICIENT = 0.6, 1.23  # of the judge's log odds


class Rise(Struct, frozen=True, kw_only=True):
    """A datastream that rises without a reported event. Times are ms UTC, values in the unit of the property.

    since        first reading of the rise
    observed_at  the newest reading
    excess       of that reading, above the background before it; below it for a signal that falls
    ratio        excess without what the neighbours share, in units of the noise
    log_odds     the judge's highest answer since the candidate began; None: no candidate, or none that is judged
    expires_at   from when on the rise no longer holds unless a newer reading confirms it
    """

    slot: int
    since: int
    observed_at: int
    excess: float
    ratio: float
    log_odds: float | None
    expires_at: int


class PreliminaryMark(Struct, frozen=True, kw_only=True):
    """A rise with the share of such rises that became an event."""

    rise: Rise
    confidence: float


def find_marks(detector: Detector, states: DetectorState, slots: NDArray[np.int64]) -> list[PreliminaryMark]:
    """Return the marks of these datastreams; stations of guests have none."""
    return [
        PreliminaryMark(rise=rise, confidence=confidence)
        for rise in find_rises(detector, states, slots)
        if (confidence := estimate_confidence(rise)) >= LEAST_CONFIDENCE
    ]


def estimate_confidence(rise: Rise) -> float:
    """Return the share of such rises that became an event on recordings of real sensors."""
    if rise.log_odds is None:
        ratio = min(max(rise.ratio, _MIN_RATIO), _MAX_RATIO)
        log_odds = _RISE_INTERCEPT + _RISE_COEFFICIENT * math.log(ratio)
    else:
        log_odds = _CANDIDATE_INTERCEPT + _CANDIDATE_COEFFICIENT * rise.log_odds
    return round(1 / (1 + math.exp(-log_odds)), 2)


def find_rises(detector: Detector, states: DetectorState, slots: NDArray[np.int64]) -> list[Rise]:
    """Return the rises among these datastreams that stand out. Few rise at any time, and only those cost time."""
    slots = slots[states.streams["cusum"][slots] > 0.0]
    if not len(slots):
        return []
    groups = states.neighbour_groups
    slots = slots[_stands_out(states, slots) & ~groups.is_guest[slots]]
    group_of = groups.group_of[slots]
    s, e, g = states.streams[slots], states.arrays.events[slots], states.arrays.groups[group_of]
    is_coarse = s["gap_ms"] >= JUDGED_GAP_MS
    p = detector.parameters_for(groups)[2 * groups.property_of[group_of] + is_coarse]
    excess, noise = _measure_excess(s, g, p)
    ratio = excess / noise
    # of a held rise one of the last seconds stood out; by how much is not stored
    ratio = np.where(e["rose_at"] + e["rose_ms"] == s["at"], ratio, np.maximum(ratio, RISE_NOISE))
    is_judged = (s["revision"] > 0) & (e["log_odds"] != NOT_JUDGED)
    expires_at = s["at"] + np.maximum(_SHORTEST_LIFE_MS, _LIFE_GAPS * s["gap_ms"])
    columns = zip(
        slots.tolist(),
        e["rise_at"].tolist(),
        s["at"].tolist(),
        s["residual"].tolist(),
        ratio.tolist(),
        np.where(is_judged, e["log_odds"] / 1_000, np.nan).tolist(),
        expires_at.tolist(),
        strict=True,
    )
    is_unexplained = ~_is_explained(s, e, excess)
    return [_build_rise(*row) for row, is_shown in zip(columns, is_unexplained.tolist(), strict=True) if is_shown]


def _stands_out(states: DetectorState, slots: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether a reading stood out a moment ago, without a reported event or an episode of the area."""
    s, e = states.streams[slots], states.arrays.events[slots]
    episode = states.arrays.groups["revision"][states.neighbour_groups.group_of[slots]]
    is_unreported: NDArray[np.bool_] = (s["revision"] == 0) | ((e["is_reported"] == 0) & (e["kind"] == PEAK))
    stood_out_at = e["rose_at"] + e["rose_ms"]
    stands_out: NDArray[np.bool_] = (
        is_unreported
        & (episode == 0)
        & (s["count"] > WARM_UP_READINGS)
        & (s["gap_ms"] <= LONGEST_INTERVAL_MS)
        & (e["rose_at"] > 0)
        & (s["at"] - stood_out_at <= _HOLD_MS)
    )
    return stands_out


def _measure_excess(
    s: NDArray[np.void], g: NDArray[np.void], p: NDArray[np.void]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return excess and noise of the newest readings, as `detect_rows` computes them for a group of many stations."""
    floor = p["noise_absolute"] + p["noise_relative"] * np.abs(s["background"])
    noise = np.sqrt(s["variance"] + floor * floor + (p["spread"] * g["spread"]) ** 2)
    return s["residual"] - p["share"] * s["gain"] * np.maximum(g["common"], 0.0), noise


def _is_explained(s: NDArray[np.void], e: NDArray[np.void], excess: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether fog or a faulty sensor explains a rise, as for an event."""
    is_humid = 2 * e["humid_readings"].astype(np.int32) > e["readings"]
    is_swelling = is_humid & (excess < HYGROSCOPIC_GROWTH * np.maximum(s["background"], 0.0))
    is_explained: NDArray[np.bool_] = is_swelling | (e["twin_disagreements"] > e["twin_agreements"])
    return is_explained


def _build_rise(  # noqa: PLR0917 - the columns of one row
    slot: int, since: int, observed_at: int, excess: float, ratio: float, log_odds: float, expires_at: int
) -> Rise:
    """`log_odds` NaN: not judged."""
    return Rise(
        slot=slot,
        since=since,
        observed_at=observed_at,
        excess=excess,
        ratio=ratio,
        log_odds=None if math.isnan(log_odds) else log_odds,
        expires_at=expires_at,
    )
