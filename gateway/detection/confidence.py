"""How sure we are that an event is real, and why. Pure."""

import math
from dataclasses import dataclass
from enum import StrEnum

from edge_agent.wire import Flag
from gateway.model.event import Change, Kind, Neighbours


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A logistic regression of the logarithms of size over noise and of length in minutes, within bounds."""

    base: float
    by_size: float
    by_length: float
    shortest: float
    longest: float

    def terms(self, ratio: float, minutes: float) -> tuple[float, float, float]:
        """What the three coefficients are multiplied by."""
        size, length = min(max(ratio, 1e-9), _LARGEST), min(max(minutes, self.shortest), self.longest)
        return 1.0, math.log(size), math.log(length)

    def odds(self, ratio: float, minutes: float) -> float:
        """Log odds that it is real."""
        one, size, length = self.terms(ratio, minutes)
        return self.base * one + self.by_size * size + self.by_length * length


# Fitted by tests/benchmarks/detection/confidence.py on small and large peaks together; judged on others in
# docs/detection.md. While it is open its length is the time it took to rise: what swells for long is no plume, but the
# plumes of the sets last half an hour at most, so that more than ten minutes count no further.
RISING = Fit(base=-1.13, by_size=2.05, by_length=-1.34, shortest=2.5, longest=10.0)
OVER = Fit(base=-0.97, by_size=2.02, by_length=-0.77, shortest=5.0, longest=60.0)
# What one reading and its tail made, however high: the length is the time until the tail was known.
TRAILING = Fit(base=1.23, by_size=0.0, by_length=-1.95, shortest=1.0, longest=10.0)
_LARGEST = 40.0  # units of noise up to which size was seen to matter
_FAR = 8.0  # units of noise
_SUREST = 4.6  # log odds of 99 %: no single sensor is ever surer than that
_SWELLING = 2.0  # humid air makes particles look up to about this much heavier (Crilley, AMT 11, 709)


class Reason(StrEnum):
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


_UNWELL = (Flag.WARM_UP, Flag.CLEANING, Flag.STALE, Flag.SENSOR_FAULT, Flag.OUT_OF_RANGE, Flag.MAINTENANCE)
_UNLIKELY = {Kind.GLITCH: -3.0, Kind.SENSOR: -3.0, Kind.HUMIDITY: -2.0}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Confidence in 0..1 with its reasons."""

    confidence: float
    reasons: tuple[str, ...]


def judge(
    *,
    change: Change,
    kind: Kind,
    excess: float,
    background: float,
    noise: float,
    flags: int,
    neighbours: Neighbours,
    agrees: int,
    disagrees: int,
    minutes: float,
    waited: float | None,
) -> Verdict:
    """Weigh an event by its excess over noise; doubt what humid air, a sick sensor or a lonely twin can explain.

    minutes: how long it took to rise, or lasted where it is over; waited: minutes until the tail of a reading that
    alone made it was known, None where more than that did.
    """
    ratio = excess / noise
    seen = (RISING if change in {Change.OPENED, Change.UPDATED} else OVER).odds(ratio, minutes)
    weights = {Reason.FAR_ABOVE_NOISE if ratio > _FAR else Reason.NEAR_NOISE: seen}
    weights |= _from_flags(flags, humid=excess < _SWELLING * max(background, 0.0))
    if kind is Kind.GLITCH:
        weights[Reason.SINGLE_READING] = 0.0
    if kind is Kind.REGIONAL:
        weights[Reason.ALL_NEIGHBOURS] = 0.0
    elif neighbours.risen:
        weights[Reason.NEIGHBOURS_ROSE] = 0.0
    if agrees > disagrees:
        weights[Reason.TWIN_AGREES] = 1.0
    elif disagrees:
        weights[Reason.TWIN_DISAGREES] = -2.0
    odds = sum(weights.values())
    if kind is Kind.PEAK and waited is not None:
        weights[Reason.SINGLE_READING] = 0.0
        odds = min(odds, TRAILING.odds(ratio, waited))
    if kind in _UNLIKELY or change is Change.VOIDED:
        odds = min(odds, _UNLIKELY.get(kind, -3.0))
    odds = min(max(odds, -_SUREST), _SUREST)
    return Verdict(confidence=round(1 / (1 + math.exp(-odds)), 4), reasons=tuple(weights))


def _from_flags(flags: int, *, humid: bool) -> dict[Reason, float]:
    found = {}
    if flags & Flag.HUMIDITY and humid:
        found[Reason.HUMIDITY] = -1.5
    for flag, reason in ((Flag.JUMP, Reason.JUMP), (Flag.STUCK, Reason.STUCK)):
        if flags & flag:
            found[reason] = -1.0
    for flag in _UNWELL:
        if flags & flag:
            found[Reason((flag.name or "").lower())] = -2.0
    return found
