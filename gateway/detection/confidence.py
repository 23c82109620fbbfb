"""Confidence that an event is real, with reasons. Pure."""

import math
from collections.abc import Container
from dataclasses import dataclass
from enum import StrEnum

from edge_agent.wire import DOUBTFUL_FLAGS, INVALID_FLAGS, Flag
from gateway.detection.kernels.baseline import HYGROSCOPIC_GROWTH
from gateway.model.event import EventChange, EventKind, Neighbours


@dataclass(frozen=True, kw_only=True)
class LogisticModel:
    """Logistic regression on log(size / noise) and log(duration in minutes), within bounds."""

    intercept: float
    ratio_coefficient: float
    minutes_coefficient: float
    min_minutes: float
    max_minutes: float

    def terms(self, ratio: float, minutes: float) -> tuple[float, float, float]:
        """Return the three terms that the coefficients multiply."""
        log_ratio, log_minutes = (
            min(max(ratio, 1e-9), _MAX_RATIO),
            min(max(minutes, self.min_minutes), self.max_minutes),
        )
        return 1.0, math.log(log_ratio), math.log(log_minutes)

    def log_odds(self, ratio: float, minutes: float) -> float:
        """Return the log odds that the event is real."""
        constant, log_ratio, log_minutes = self.terms(ratio, minutes)
        return self.intercept * constant + self.ratio_coefficient * log_ratio + self.minutes_coefficient * log_minutes


# Fitted by tests/benchmarks/detection/confidence.py on small and large peaks together; docs/detection.md has the
# results on other sets. While an event is open its duration is the rise time: a slow rise is not a plume. Plumes of the
# sets last half an hour at most, so a rise above ten minutes counts as ten.
RISING_MODEL = LogisticModel(
    intercept=-1.13, ratio_coefficient=2.05, minutes_coefficient=-1.34, min_minutes=2.5, max_minutes=10.0
)
ENDED_MODEL = LogisticModel(
    intercept=-0.97, ratio_coefficient=2.02, minutes_coefficient=-0.77, min_minutes=5.0, max_minutes=60.0
)
# Of later revisions of an event that the judge judged: constant, log odds of the judge, log of the minutes. Logistic
# regression on the judge's highest answer and on the minutes of the rise; once the event is over, of the whole event.
# The highest of many answers is too bold, and the more so the longer the event took.
JUDGED_TERMS = {EventChange.UPDATED: (0.14, 1.13, -0.51), EventChange.ENDED: (0.65, 1.16, -0.61)}
_MAX_JUDGED_LOG_ODDS = 6.0
_JUDGED_MINUTES = (2.5, 60.0)
# Events of a single reading and its tail, at any height: the duration is the time until the tail was detected.
SINGLE_READING_MODEL = LogisticModel(
    intercept=1.23, ratio_coefficient=0.0, minutes_coefficient=-1.95, min_minutes=1.0, max_minutes=10.0
)
_MAX_RATIO = 40.0  # units of noise; a larger size adds no confidence
_FAR_RATIO = 8.0  # units of noise
_VOIDED_LOG_ODDS = -3.0
_UNDECIDED_LOG_ODDS = -0.7  # log odds of 33 %, the most while the neighbours rise too
_MAX_LOG_ODDS = 4.6  # log odds of 99 %, the most for a single sensor


class ConfidenceReason(StrEnum):
    """Reasons for or against an event."""

    FAR_ABOVE_NOISE = "far_above_noise"
    NEAR_NOISE = "near_noise"
    NEIGHBOURS_ROSE = "neighbours_rose"
    TWIN_AGREES = "twin_agrees"
    TWIN_DISAGREES = "twin_disagrees"
    HUMIDITY = "humidity"
    JUMP = "jump"
    STUCK = "stuck"
    SINGLE_READING = "single_reading"
    WARM_UP = "warm_up"
    CLEANING = "cleaning"
    STALE = "stale"
    SENSOR_FAULT = "sensor_fault"
    OUT_OF_RANGE = "out_of_range"
    MAINTENANCE = "maintenance"
    CHECKSUM_RETRY = "checksum_retry"
    CLOCK_UNSYNCED = "clock_unsynced"
    SIZE_EXTRAPOLATED = "size_extrapolated"
    NEIGHBOUR_DISAGREES = "neighbour_disagrees"
    CALIBRATION_EXPIRED = "calibration_expired"
    NEW_BACKGROUND = "new_background"  # the background began shortly before: a new sensor, or after a gap of hours
    NO_DATA = "no_data"  # no reading followed: the event may have lasted longer
    DETECTOR_REPLACED = "detector_replaced"  # the event may have lasted longer, as one of the next detector
    PERHAPS_EPISODE = "perhaps_episode"  # neighbours rise as well: it may be the beginning of an episode
    NEIGHBOURS_AWAITED = "neighbours_awaited"  # the next readings of neighbours will show whether they rise as well
    ALL_NEIGHBOURS = "all_neighbours"  # all stations rose: an episode, not a peak of one station


# Of an event that may still turn out to be the beginning of an episode.
OPEN_REASONS = frozenset({ConfidenceReason.PERHAPS_EPISODE, ConfidenceReason.NEIGHBOURS_AWAITED})
_MAX_KIND_LOG_ODDS = {EventKind.GLITCH: -3.0, EventKind.SENSOR: -3.0, EventKind.HUMIDITY: -2.0}


@dataclass(frozen=True, kw_only=True)
class Confidence:
    """Confidence in 0..1 with its reasons."""

    value: float
    reasons: tuple[str, ...]


def assess_confidence(
    *,
    change: EventChange,
    kind: EventKind,
    excess: float,
    background: float,
    noise: float,
    flags: int,
    neighbours: Neighbours,
    agrees: int,
    disagrees: int,
    minutes: float,
    waited: float | None,
    judged: float | None = None,
    is_background_young: bool = False,
    has_ended_without_data: bool = False,
    open_reason: ConfidenceReason | None = None,
) -> Confidence:
    """Weigh an event by its excess over noise; lower the weight if humid air, a faulty sensor or a twin explains it.

    minutes  rise time while the event is open, else its duration
    waited   minutes until the tail of a single-reading event was detected; None for other events
    judged   highest log odds that the judge gave; with the minutes, after the first revision, they replace those of
             excess and length. None: not judged
    open_reason  of OPEN_REASONS, while the event may still turn out to be the beginning of an episode

    Doubts are subtracted from at most 99 %, so that each of them lowers the confidence of any event.
    """
    ratio = excess / noise
    base_log_odds = _model_of(change).log_odds(ratio, minutes) if judged is None else _judged(judged, change, minutes)
    weights = {ConfidenceReason.FAR_ABOVE_NOISE if ratio > _FAR_RATIO else ConfidenceReason.NEAR_NOISE: base_log_odds}
    if kind is EventKind.GLITCH:
        weights[ConfidenceReason.SINGLE_READING] = 0.0
    if kind is EventKind.REGIONAL:
        weights[ConfidenceReason.ALL_NEIGHBOURS] = 0.0
    elif neighbours.risen:
        weights[ConfidenceReason.NEIGHBOURS_ROSE] = 0.0
    if agrees > disagrees:
        weights[ConfidenceReason.TWIN_AGREES] = 1.0
    elif disagrees:
        weights[ConfidenceReason.TWIN_DISAGREES] = -2.0
    log_odds = sum(weights.values())
    if kind is EventKind.PEAK and waited is not None:
        weights[ConfidenceReason.SINGLE_READING] = 0.0
        log_odds = min(log_odds, SINGLE_READING_MODEL.log_odds(ratio, waited) if judged is None else base_log_odds)
    doubts = _weigh_flags(flags, explained_by_fog=excess < HYGROSCOPIC_GROWTH * max(background, 0.0))
    if is_background_young:
        doubts[ConfidenceReason.NEW_BACKGROUND] = -0.5
    if has_ended_without_data:
        doubts[ConfidenceReason.NO_DATA] = 0.0
    if kind is EventKind.PEAK and open_reason is not None:
        doubts[open_reason] = 0.0
    log_odds = min(log_odds, _MAX_LOG_ODDS) + sum(doubts.values())
    log_odds = max(min(log_odds, _highest_log_odds(change, kind, doubts)), -_MAX_LOG_ODDS)
    reasons = tuple({**weights, **doubts})
    return Confidence(value=round(1 / (1 + math.exp(-log_odds)), 4), reasons=reasons)


def _highest_log_odds(change: EventChange, kind: EventKind, doubts: Container[ConfidenceReason]) -> float:
    if kind in _MAX_KIND_LOG_ODDS:
        return _MAX_KIND_LOG_ODDS[kind]
    if change is EventChange.VOIDED:
        return _VOIDED_LOG_ODDS
    return _UNDECIDED_LOG_ODDS if any(reason in doubts for reason in OPEN_REASONS) else _MAX_LOG_ODDS


def _judged(judged: float, change: EventChange, minutes: float) -> float:
    if change not in JUDGED_TERMS:
        return judged
    terms = list_judged_terms(judged, minutes)
    return sum(coefficient * term for coefficient, term in zip(JUDGED_TERMS[change], terms, strict=True))


def list_judged_terms(judged: float, minutes: float) -> tuple[float, float, float]:
    """Return the terms that the coefficients of JUDGED_TERMS multiply."""
    shortest, longest = _JUDGED_MINUTES
    bounded = min(max(judged, -_MAX_LOG_ODDS), _MAX_JUDGED_LOG_ODDS)
    return 1.0, bounded, math.log(min(max(minutes, shortest), longest))


def _model_of(change: EventChange) -> LogisticModel:
    return RISING_MODEL if change in {EventChange.OPENED, EventChange.UPDATED} else ENDED_MODEL


_SLIGHT_DOUBT = -0.5  # log odds of a doubtful flag
_DOUBTS = {Flag.JUMP: -1.0, Flag.NEIGHBOUR_DISAGREES: -1.0}  # log odds of those that weigh more
_INVALID_DOUBT = -2.0  # log odds


def _weigh_flags(flags: int, *, explained_by_fog: bool) -> dict[ConfidenceReason, float]:
    """Return the log odds of each flag; `explained_by_fog`: humid air alone can cause an excess of this size."""
    weights = {flag: _DOUBTS.get(flag, _SLIGHT_DOUBT) for flag in DOUBTFUL_FLAGS}
    weights |= dict.fromkeys(INVALID_FLAGS, _INVALID_DOUBT)
    if explained_by_fog:
        weights[Flag.HUMIDITY] = -1.5
    return {ConfidenceReason(str(flag.name).lower()): weight for flag, weight in weights.items() if flags & flag}
