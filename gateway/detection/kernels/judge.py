"""The judge: it decides at every reading of a candidate whether the candidate is an event by now.

A candidate is a rise that passed the threshold of its CUSUM statistic. The judge weighs ten quantities of the candidate
and of its station by decision trees. Their sum is the log odds that the candidate is real. A candidate whose log odds
reach the limit of its station is reported as an event; another one ends unreported.

    limit       judge_limit + u, with u from LOWEST_OFFSET to HIGHEST_OFFSET; judge_limit is lower for an excess of the
                lowest severity, and lower still for one of `sure` times the noise
    u           falls by STEP false_rate per day; rises by STEP (1 - p) at the end of an event with probability p

In the long run u stands still where the sum of 1 - p, the expected number of false alarms, is `false_rate` a day. A
restless station thus gets a higher limit than a quiet one.

The restlessness of a station is the share of the last day in which the excess was above RESTLESS_NOISE times the noise.
It is an exponential mean; in the first day of a background it is the plain mean.
"""

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gateway.detection.kernels.baseline import exponential_steps
from gateway.detection.records import NOT_JUDGED, DecisionTrees

FEATURES = (
    "excess",  # largest excess of the candidate, in units of PM2.5 (ug/m3)
    "noise_ratio",  # the same, divided by the noise at that moment
    "minutes",  # since the onset
    "minutes_to_peak",  # from the onset to the largest excess
    "step",  # change since the reading before, in units of the noise of the station
    "cusum",
    "quiet_minutes",  # since the onset of the candidate before, at most three days
    "restlessness",
    "background_rise",  # of the background since the onset, in units of the noise of the station; rising is negative
    "z",  # this reading's excess, divided by the noise
)
TRACE_COLUMNS = len(FEATURES) + 2  # 1 where a candidate was judged, and its onset (ms)
RESTLESS_NOISE = 1.5
LONGEST_QUIET = 3 * 1440.0  # minutes
STEP = 0.15  # log odds
LOWEST_OFFSET, HIGHEST_OFFSET = -0.5, 1.5  # log odds
_MS_PER_DAY = 86_400_000
_SHORTEST_AGE = 1 / 24  # days: in the first hour a single excess would be all there is


@njit(nogil=True, cache=True, error_model="numpy")
def sum_trees(judge: DecisionTrees, features: NDArray[np.float64]) -> float:
    """Return the log odds of (TRACE_COLUMNS,) features."""
    log_odds = 0.0
    for root in judge.roots:
        node = root
        while judge.feature[node] >= 0:
            is_left = features[judge.feature[node]] <= judge.limit[node]
            node = judge.left[node] if is_left else judge.right[node]
        log_odds += judge.value[node]
    return log_odds


@njit(nogil=True, cache=True, error_model="numpy")
def note_excess(e: Any, at: int, interval_ms: int) -> None:
    """Add one reading with an excess to the restlessness."""
    e.restlessness = min(1.0, decayed_restlessness(e, at) + exponential_steps(interval_ms / _MS_PER_DAY, 0.0)[0])
    e.restless_at = at // 1_000


@njit(nogil=True, cache=True, error_model="numpy")
def decayed_restlessness(e: Any, at: int) -> float:
    """Return the sum over the readings with an excess, each with the weight that is left of it at `at` (ms)."""
    days = max(0.0, (at // 1_000 - e.restless_at) / 86_400)
    return float(e.restlessness * (1.0 - exponential_steps(days, 0.0)[0]))


@njit(nogil=True, cache=True, error_model="numpy")
def begin_candidate(e: Any, p: Any, at: int) -> None:
    """Note how long the station was quiet, and lower its limit by the time since the candidate before."""
    minutes = (at - e.onset) / 60_000 if e.onset > 0 else LONGEST_QUIET
    e.quiet_minutes = min(max(minutes, 0.0), LONGEST_QUIET)
    if e.onset > 0:
        e.limit_offset = max(LOWEST_OFFSET, e.limit_offset - STEP * p.false_rate * max(0, at - e.onset) / _MS_PER_DAY)
    e.log_odds = NOT_JUDGED
    e.is_reported = 0


@njit(nogil=True, cache=True, error_model="numpy")
def find_limit(e: Any, p: Any) -> float:
    """Return the log odds that a candidate needs: to refuse a large one in error costs more than a false alarm."""
    excess = e.peak - e.peak_background
    limit = min(p.judge_limit, p.judge_limit_large) if excess >= p.light else p.judge_limit
    return float(min(limit, p.judge_limit_sure) if excess >= p.sure * e.peak_noise else limit)


@njit(nogil=True, cache=True, error_model="numpy")
def raise_limit(e: Any) -> None:
    """Raise the limit of the station by what the event that ends now was short of certainty."""
    if e.log_odds != NOT_JUDGED:
        e.limit_offset = min(HIGHEST_OFFSET, e.limit_offset + STEP * doubt(e.log_odds / 1_000))


@njit(nogil=True, cache=True, error_model="numpy")
def doubt(log_odds: float) -> float:
    """Return about 1 - p of log odds: within 0.01, by a polynomial for the exponential."""
    x = min(abs(log_odds), 8.0)
    odds = 1.0 + x * (1.0 + x * (1 / 2 + x * (1 / 6 + x * (1 / 24 + x * (1 / 120 + x * (1 / 720))))))
    smaller = 1.0 / (1.0 + odds)
    return smaller if log_odds >= 0 else 1.0 - smaller


@njit(nogil=True, cache=True, error_model="numpy")
def judge_candidate(
    judge: DecisionTrees,
    trace: NDArray[np.float64],
    s: Any,
    e: Any,
    p: Any,
    r: Any,
    own_noise: float,
    f: NDArray[np.float64],
) -> None:
    """Update the log odds of a candidate or an open event by the reading r.

    s STREAM, e EVENT, p PARAMETERS, r ScoredRow; f: memory for TRACE_COLUMNS values. `trace`: see `records.KernelRows`.
    """
    days = max(_SHORTEST_AGE, (r.at - s.first_at) / _MS_PER_DAY)
    peak_excess = e.peak - e.peak_background
    f[0] = peak_excess * p.judge_scale
    f[1] = peak_excess / e.peak_noise
    f[2] = (r.at - e.onset) / 60_000
    f[3] = (e.peak_at - e.onset) / 60_000
    f[4] = (r.x - r.previous_x) / own_noise
    f[5] = s.cusum
    f[6] = min(LONGEST_QUIET, e.quiet_minutes + (r.at - e.onset) / 60_000)
    f[7] = decayed_restlessness(e, r.at) / exponential_steps(days, 0.0)[0]
    f[8] = (e.rise_background - s.background) / own_noise
    f[9] = r.z
    log_odds = min(max(sum_trees(judge, f), -30.0), 30.0)
    e.log_odds = max(e.log_odds, math.floor(log_odds * 1_000 + 0.5))
    if len(trace) > 0:
        f[10] = 1.0
        f[11] = e.onset
        # not `trace[r.row] = f`, for which numba compiles the message of an error, as text
        for column in range(len(f)):
            trace[r.row, column] = f[column]
