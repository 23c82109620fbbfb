"""How sure we are that an event is real, and why. Pure."""

import math
from dataclasses import dataclass
from enum import StrEnum

from edge_agent.wire import Flag
from gateway.model.event import EventChange, EventKind, Neighbours


@dataclass(frozen=True, kw_only=True)
class LogisticModel:
    """A logistic regression of the logarithms of size over noise and of length in minutes, within bounds."""

    intercept: float
    ratio_coefficient: float
    minutes_coefficient: float
    min_minutes: float
    max_minutes: float

    def terms(self, ratio: float, minutes: float) -> tuple[float, float, float]:
        """What the three coefficients are multiplied by."""
        log_ratio, log_minutes = (
            min(max(ratio, 1e-9), _MAX_RATIO),
            min(max(minutes, self.min_minutes), self.max_minutes),
        )
        return 1.0, math.log(log_ratio), math.log(log_minutes)

    def log_odds(self, ratio: float, minutes: float) -> float:
        """Log odds that it is real."""
        constant, log_ratio, log_minutes = self.terms(ratio, minutes)
        return self.intercept * constant + self.ratio_coefficient * log_ratio + self.minutes_coefficient * log_minutes


# Fitted by tests/benchmarks/detection/confidence.py on small and large peaks together; judged on others in
# docs/detection.md. While it is open its length is the time it took to rise: what swells for long is no plume, but the
# plumes of the sets last half an hour at most, so that more than ten minutes count no further.
RISING_MODEL = LogisticModel(
    intercept=-1.13, ratio_coefficient=2.05, minutes_coefficient=-1.34, min_minutes=2.5, max_minutes=10.0
)
ENDED_MODEL = LogisticModel(
    intercept=-0.97, ratio_coefficient=2.02, minutes_coefficient=-0.77, min_minutes=5.0, max_minutes=60.0
)
# What one reading and its tail made, however high: the length is the time until the tail was known.
SINGLE_READING_MODEL = LogisticModel(
    intercept=1.23, ratio_coefficient=0.0, minutes_coefficient=-1.95, min_minutes=1.0, max_minutes=10.0
)
_MAX_RATIO = 40.0  # units of noise up to which size was seen to matter
_FAR_RATIO = 8.0  # units of noise
_MAX_LOG_ODDS = 4.6  # log odds of 99 %: no single sensor is ever surer than that
_HYGROSCOPIC_GROWTH = 2.0  # humid air makes particles look up to about this much heavier (Crilley, AMT 11, 709)


class ConfidenceReason(StrEnum):
    """What speaks for or against an event."""

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
    ALL_NEIGHBOURS = "all_neighbours"  # everybody sees it: an episode, not a peak of one station


_UNTRUSTED_FLAGS = (Flag.WARM_UP, Flag.CLEANING, Flag.STALE, Flag.SENSOR_FAULT, Flag.OUT_OF_RANGE, Flag.MAINTENANCE)
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
) -> Confidence:
    """Weigh an event by its excess over noise; doubt what humid air, a sick sensor or a lonely twin can explain.

    minutes: how long it took to rise, or lasted where it is over; waited: minutes until the tail of a reading that
    alone made it was known, None where more than that did.
    """
    ratio = excess / noise
    base_log_odds = (RISING_MODEL if change in {EventChange.OPENED, EventChange.UPDATED} else ENDED_MODEL).log_odds(
        ratio, minutes
    )
    weights = {ConfidenceReason.FAR_ABOVE_NOISE if ratio > _FAR_RATIO else ConfidenceReason.NEAR_NOISE: base_log_odds}
    weights |= _weigh_flags(flags, humid=excess < _HYGROSCOPIC_GROWTH * max(background, 0.0))
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
        log_odds = min(log_odds, SINGLE_READING_MODEL.log_odds(ratio, waited))
    if kind in _MAX_KIND_LOG_ODDS or change is EventChange.VOIDED:
        log_odds = min(log_odds, _MAX_KIND_LOG_ODDS.get(kind, -3.0))
    log_odds = min(max(log_odds, -_MAX_LOG_ODDS), _MAX_LOG_ODDS)
    return Confidence(value=round(1 / (1 + math.exp(-log_odds)), 4), reasons=tuple(weights))


def _weigh_flags(flags: int, *, humid: bool) -> dict[ConfidenceReason, float]:
    weights = {}
    if flags & Flag.HUMIDITY and humid:
        weights[ConfidenceReason.HUMIDITY] = -1.5
    for flag, reason in ((Flag.JUMP, ConfidenceReason.JUMP), (Flag.STUCK, ConfidenceReason.STUCK)):
        if flags & flag:
            weights[reason] = -1.0
    for flag in _UNTRUSTED_FLAGS:
        if flags & flag:
            weights[ConfidenceReason((flag.name or "").lower())] = -2.0
    return weights
