"""How sure we are that an event is real, and why. Pure."""

import math
from dataclasses import dataclass
from enum import StrEnum

from edge_agent.wire import Flag

_HALF = 4.0  # excess in units of noise at which real and not real are about as likely
_STEEP = 2.2
_SUREST = 4.6  # log odds of 99 %: no single sensor is ever surer than that
_SWELLING = 2.0  # humid air makes particles look up to about this much heavier (Crilley, AMT 11, 709)


class Reason(StrEnum):
    """What speaks for or against an event."""

    FAR_ABOVE_NOISE = "far_above_noise"
    NEAR_NOISE = "near_noise"
    HUMIDITY = "humidity"
    JUMP = "jump"
    STUCK = "stuck"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Confidence in 0..1 with its reasons."""

    confidence: float
    reasons: tuple[str, ...]


def judge(*, excess: float, background: float, noise: float, flags: int) -> Verdict:
    """Weigh an event by its excess over noise; doubt what humid air or a sick sensor can explain."""
    ratio = max(excess / noise, 1e-9)
    odds = _STEEP * math.log(ratio / _HALF)
    reasons = [Reason.FAR_ABOVE_NOISE if ratio > 2 * _HALF else Reason.NEAR_NOISE]
    if flags & Flag.HUMIDITY and excess < _SWELLING * max(background, 0.0):
        reasons.append(Reason.HUMIDITY)
        odds -= 1.5
    for flag, reason in ((Flag.JUMP, Reason.JUMP), (Flag.STUCK, Reason.STUCK)):
        if flags & flag:
            reasons.append(reason)
            odds -= 1.0
    odds = min(max(odds, -_SUREST), _SUREST)
    return Verdict(confidence=round(1 / (1 + math.exp(-odds)), 4), reasons=tuple(reasons))
