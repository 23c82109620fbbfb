"""Slow, obvious twins of the kernels. They are written from the formulas, a reading at a time, with plain floats."""

import math
from dataclasses import dataclass, field


def approach(u):
    """Nearly 1 - exp(-u): the Pade approximation that the formulas name."""
    u = min(u, 3.0)
    return u / (1 + u / 2 + u * u / 12)


@dataclass
class NaiveDetector:
    """One datastream of `gateway.detection.kernels.detect_rows`."""

    p: object  # gateway.detection.settings.PeakSettings
    background: float = math.nan
    variance: float = 0.0
    evidence: float = 0.0
    history: list = field(default_factory=list)  # times of all readings taken, ms
    under: float = 0.0  # the background before the rise
    rise: int = 0  # the first reading since there was no evidence
    event: dict | None = None
    left: float = 0.0  # the last reading above the background it met
    odd: dict | None = None  # one reading that stood out

    def take(self, at: int, value: float) -> tuple[str, dict] | None:
        p = self.p
        x = value * p.polarity
        if not math.isfinite(x):
            return None
        if not self.history:
            self.background, self.variance = x, p.noise_absolute**2
            self.history.append(at)
            return None
        if at <= self.history[-1]:
            return None
        gap = min((at - self.history[-1]) / 60_000, 30.0)
        self.history.append(at)
        noise = math.sqrt(self.variance + (p.noise_absolute + p.noise_relative * abs(self.background)) ** 2)
        excess = x - self.background
        z = excess / noise
        last, self.left, before, odd = self.background + self.left, excess, self.evidence, None
        share = min(1.0, gap * 60 / (p.sure_seconds if z >= p.sure else p.unit_seconds))
        if self.evidence == 0 and self.event is None:
            self.rise, self.under = at, self.background
        self.evidence = min(max(self.evidence + share * (min(z, p.clip) - p.drift), 0.0), 4 * p.threshold)
        if before == 0 and self.evidence > 0 and self.event is None and self._is_odd(z, excess):
            odd = {"at": at, "peak": x, "background": self.background, "noise": noise, "before": last}
        told = self._open(at, x, noise) if self.event is None else self._go_on(at, x, noise, z)
        self.odd = odd
        self._learn(at, x, noise, gap)
        return told

    def _open(self, at, x, noise):
        enough = self.evidence > self.p.threshold and x - self.background > self.p.smallest and len(self.history) > 24
        soon = self.odd is not None and 30_000 <= at - self.odd["at"] <= 180_000
        if not enough and not (soon and self._is_tail(x, noise)):
            return None
        self.event = {"onset": self.rise, "detected": at, "revision": 1, "told": x - self._level(), "below": []}
        self._peak(at, x, noise)
        if self.odd and self.odd["peak"] - self.odd["background"] > x - self._level():
            self._look_back()
        return "opened", dict(self.event)

    def _is_tail(self, x, noise):
        tail, height = x - self.odd["before"], self.odd["peak"] - self.odd["before"]
        return tail > max(self.p.tail * noise, 0.02 * height)

    def _look_back(self):
        odd = self.odd
        self.event |= {"peak": odd["peak"], "peak_at": odd["at"], "told": odd["peak"] - odd["background"]}
        self.event |= {"peak_background": odd["background"], "peak_noise": odd["noise"]}

    def _is_odd(self, z, excess):
        return z >= self.p.sure and excess > self.p.smallest and len(self.history) > 24

    def _level(self):
        return min(self.background, self.under)

    def _peak(self, at, x, noise):
        self.event |= {"peak": x, "peak_at": at, "peak_background": self._level(), "peak_noise": noise}

    def _go_on(self, at, x, noise, z):
        event, excess = self.event, x - self.background
        if x - self._level() > event["peak"] - event["peak_background"]:
            self._peak(at, x, noise)
        size = event["peak"] - event["peak_background"]
        event["below"] = [*event["below"], at] if excess < 0.3 * size or z < 1 else []
        too_long = at - event["onset"] > 120 * 60_000
        quiet = len(event["below"]) >= 2 and at - event["below"][0] >= 1000 * self.p.close_seconds
        if too_long or quiet:
            event["revision"] += 1
            event["end"] = event["below"][0] if event["below"] else at
            over = dict(event)
            if too_long:
                self.background = x
            self.event, self.evidence = None, 0.0
            return "ended", over
        if size > 1.3 * event["told"]:
            event["revision"] += 1
            event["told"] = size
            return "updated", dict(event)
        return None

    def _learn(self, at, x, noise, gap):
        p, known = self.p, max((at - self.history[0]) / 60_000, gap)
        slower = p.freeze if self.event else 1 / (1 + p.hold * self.evidence / p.threshold)
        clipped = min(max((x - self.background) / noise, -p.fall_limit), p.rise_limit)
        self.background += slower * approach(gap / min(p.background_minutes, known)) * noise * clipped
        taken = slower * approach(gap / min(p.noise_minutes, known))
        self.variance += taken * ((noise * clipped) ** 2 - self.variance)


@dataclass
class NaiveFlagger:
    """One datastream of `gateway.quality.kernels.flag_rows`: names of the flags of each value."""

    lower: float
    upper: float
    rise: float
    humid: bool
    equal: list = field(default_factory=list)  # times of the last run of equal values
    last: float = math.nan

    def take(self, at: int, value: float, rh: float) -> set[str]:
        if math.isnan(value):
            return set()
        flags = set()
        if value < self.lower or value > self.upper or math.isinf(value):
            flags.add("OUT_OF_RANGE")
        if abs(value - self.last) > self.rise:
            flags.add("JUMP")
        if self.humid and rh > 85:
            flags.add("HUMIDITY")
        self.equal = [*self.equal, at] if value == self.last else [at]
        if len(self.equal) >= 30 and at - self.equal[0] >= 600_000:
            flags.add("STUCK")
        self.last = value
        return flags
