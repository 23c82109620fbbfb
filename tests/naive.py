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
    levels: tuple = ()  # excesses at which a severity begins
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
        last, self.left, before = self.background + self.left, excess, self.evidence
        tail = self._is_tail(at, x)
        share = min(1.0, gap * 60 / (p.sure_seconds if z >= p.sure else p.unit_seconds))
        if before == 0 and self.event is None and not tail:
            self.rise, self.under = at, self.background
        self.evidence = min(max(self.evidence + share * (min(z, p.clip) - p.drift), 0.0), 4 * p.threshold)
        if self.event is None and self.odd is None and self._is_odd(z, excess):
            least = p.noise_absolute / 4
            self.odd = {"at": at, "peak": x, "background": self.background, "noise": noise, "before": last}
            self.odd |= {"until": at, "own": math.sqrt(self.variance + least * least)}
        told = self._open(at, x, noise, tail) if self.event is None else self._go_on(at, x, noise, z)
        self._settle(at, x, excess)
        self._learn(at, x, noise, gap)
        return told

    def _open(self, at, x, noise, tail):
        enough = self.evidence > self.p.threshold and x - self.background > self.p.smallest and len(self.history) > 24
        if not enough and not tail:
            return None
        self.rise = self.rise if enough else self.odd["at"]
        self.event = {"onset": self.rise, "detected": at, "revision": 1, "told": x - self._level(), "below": []}
        self._peak(at, x, noise)
        odd = self.odd if self.odd and self.odd["until"] != at else None
        if odd and odd["peak"] - odd["background"] > x - self._level():
            self._look_back()
        return "opened", dict(self.event)

    def _is_tail(self, at, x):
        """The next reading is clearly above the one before the odd one, or more than half way above both around it."""
        odd = self.odd
        if odd is None or self.event or not 30_000 <= at - odd["until"] <= 180_000:
            return False
        tail, times = x - odd["before"], self.p.tail_now
        if "after" in odd:
            tail, times = odd["after"] - (odd["before"] + x) / 2, self.p.tail
        apart = max(1.0, (at - odd["until"]) / 60_000)
        return tail > max(times * apart * odd["own"], 0.01 * (odd["peak"] - odd["background"]))

    def _settle(self, at, x, excess):
        odd = self.odd
        if odd is None or odd["until"] == at:
            return
        back = self.event is None and excess < 0.3 * (odd["peak"] - odd["background"])
        soon = 30_000 <= at - odd["until"] <= 180_000
        if back and soon and "after" not in odd:
            odd |= {"after": x, "until": at}
        else:
            self.odd = None

    def _look_back(self):
        odd = self.odd
        self.event |= {"peak": odd["peak"], "peak_at": odd["at"], "told": odd["peak"] - odd["background"]}
        self.event |= {"peak_background": odd["background"], "peak_noise": odd["noise"]}

    def _is_odd(self, z, excess):
        return z >= self.p.odd and excess > self.p.smallest and len(self.history) > 24

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
        graver = sum(size >= level for level in self.levels) > sum(event["told"] >= level for level in self.levels)
        if graver or size > 1.3 * event["told"]:
            event["revision"] += 1
            event["told"] = size
            return "updated", dict(event)
        return None

    def _learn(self, at, x, noise, gap):
        p, known = self.p, max((at - self.history[0]) / 60_000, gap)
        slower = p.freeze if self.event else 1 / (1 + p.hold * self.evidence / p.threshold)
        clipped = min(max((x - self.background) / noise, -p.fall_limit), p.rise_limit)
        towards = approach(gap / min(p.background_minutes, known))
        towards = min(1.0, p.fall_speed * towards) if clipped < -1.5 else towards
        self.background += slower * towards * noise * clipped
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
