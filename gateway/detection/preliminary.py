"""Preliminary marks: datastreams whose last reading may be the beginning of a peak. Pure.

The detector opens an event once it is sure enough. Until then its state shows what it follows: a rise (C > 0), or a
candidate that the judge has not accepted yet. A mark is derived from that state alone, so nothing is stored for it, and
a restarted gateway derives the same marks. It ends when the event opens, or when the readings fall back.

A reading stands out as in `kernels.corroboration`: more than three times the noise, and more than `smallest`, above the
background. Readings with a flag that no mean counts leave that state unchanged, so they never mark.

A mark is no input of the detector, and no `Event`: nothing that stores, exports or alerts sees it.
"""

import math
from collections.abc import Iterator
from typing import Any

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
_RISE_INTERCEPT, _RISE_COEFFICIENT = -3.0, 1.69  # of log(excess / noise)
_CANDIDATE_INTERCEPT, _CANDIDATE_COEFFICIENT = 0.47, 1.05  # of the judge's log odds


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
    marks = [
        PreliminaryMark(rise=rise, confidence=estimate_confidence(rise)) for rise in find_rises(detector, states, slots)
    ]
    return [mark for mark in marks if mark.confidence >= LEAST_CONFIDENCE]


def estimate_confidence(rise: Rise) -> float:
    """Return the share of such rises that became an event on recordings of real sensors."""
    if rise.log_odds is None:
        ratio = min(max(rise.ratio, _MIN_RATIO), _MAX_RATIO)
        log_odds = _RISE_INTERCEPT + _RISE_COEFFICIENT * math.log(ratio)
    else:
        log_odds = _CANDIDATE_INTERCEPT + _CANDIDATE_COEFFICIENT * rise.log_odds
    return round(1 / (1 + math.exp(-log_odds)), 2)


def find_rises(detector: Detector, states: DetectorState, slots: NDArray[np.int64]) -> Iterator[Rise]:
    """Yield the rises among these datastreams that stand out. Few rise at any time, and only those cost time."""
    rising = slots[states.streams["cusum"][slots] > 0.0]
    if not len(rising):
        return
    groups = states.neighbour_groups
    streams, events, group_of = states.streams[rising], states.arrays.events[rising], groups.group_of[rising]
    group_states = states.arrays.groups[group_of]
    stood_out_at = events["rose_at"] + events["rose_ms"]
    stands_out_now = streams["at"] == stood_out_at
    stands_out = (
        (streams["count"] > WARM_UP_READINGS)
        & (events["rose_at"] > 0)
        & (streams["at"] - stood_out_at <= _HOLD_MS)
        & ((streams["revision"] == 0) | ((events["is_reported"] == 0) & (events["kind"] == PEAK)))
        & (group_states["revision"] == 0)  # an episode of the area is an event already
        & (streams["gap_ms"] <= LONGEST_INTERVAL_MS)
        & ~groups.is_guest[rising]
    )
    is_coarse = streams["gap_ms"] >= JUDGED_GAP_MS
    parameters = detector.parameters_for(groups)[2 * groups.property_of[group_of] + is_coarse]
    for place in np.flatnonzero(stands_out).tolist():
        s, e, p = streams[place], events[place], parameters[place]
        excess, noise = _measure_excess(s, group_states[place], p)
        if not _is_explained(s, e, excess):
            ratio = excess / noise
            # one of the last seconds stood out by RISE_NOISE or more; by how much is not stored
            yield _build_rise(int(rising[place]), s, e, ratio if stands_out_now[place] else max(ratio, RISE_NOISE))


def _measure_excess(s: Any, g: Any, p: Any) -> tuple[float, float]:  # noqa: ANN401 - numpy
    """Return excess and noise of the newest reading, as `detect_rows` computes them for a group of many stations."""
    floor = p["noise_absolute"] + p["noise_relative"] * abs(s["background"])
    noise = math.sqrt(s["variance"] + floor * floor + (p["spread"] * g["spread"]) ** 2)
    return float(s["residual"] - p["share"] * s["gain"] * max(g["common"], 0.0)), noise


def _is_explained(s: Any, e: Any, excess: float) -> bool:  # noqa: ANN401 - numpy
    """Whether fog or a faulty sensor explains the rise, as for an event."""
    is_humid = 2 * int(e["humid_readings"]) > int(e["readings"])
    is_swelling = is_humid and excess < HYGROSCOPIC_GROWTH * max(float(s["background"]), 0.0)
    return is_swelling or bool(e["twin_disagreements"] > e["twin_agreements"])


def _build_rise(slot: int, s: Any, e: Any, ratio: float) -> Rise:  # noqa: ANN401 - numpy
    at, gap_ms = int(s["at"]), int(s["gap_ms"])
    is_judged = s["revision"] > 0 and e["log_odds"] != NOT_JUDGED
    return Rise(
        slot=slot,
        since=int(e["rise_at"]),
        observed_at=at,
        excess=float(s["residual"]),
        ratio=ratio,
        log_odds=float(e["log_odds"]) / 1_000 if is_judged else None,
        expires_at=at + max(_SHORTEST_LIFE_MS, _LIFE_GAPS * gap_ms),
    )
