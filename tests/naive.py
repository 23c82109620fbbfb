"""Slow, obvious twins of the kernels. They are written from the formulas, a reading at a time, with plain floats."""

import math
from dataclasses import dataclass, field
from itertools import pairwise


def exponential_step(u):
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
    cusum: float = 0.0
    history: list = field(default_factory=list)  # times of all readings taken, ms
    background_before_rise: float = 0.0  # the background before the rise
    rise: int = 0  # the first reading since there was no evidence
    event: dict | None = None
    last_excess: float = 0.0  # the last reading above the background it met
    outlier: dict | None = None  # one reading that stood out

    def process_reading(self, at: int, value: float) -> list[tuple[str, dict]]:
        p = self.p
        x = value * p.polarity
        if not math.isfinite(x):
            return []
        if not self.history:
            self.background, self.variance = x, p.noise_absolute**2
            self.history.append(at)
            return []
        if at <= self.history[-1]:
            return []
        gap_ms, before_ms = at - self.history[-1], self._gap_before()
        ended = self._fall_silent() if gap_ms > max(15 * 60_000, 3 * before_ms) else None
        if gap_ms > max(2 * 3_600_000, 6 * before_ms):
            self.background, self.variance = x, p.noise_absolute**2
            self.history, self.last_excess = [at], 0.0
            return [ended] if ended else []
        gap = min(gap_ms / 60_000, 30.0)
        self.history.append(at)
        noise = math.sqrt(self.variance + (p.noise_absolute + p.noise_relative * abs(self.background)) ** 2)
        excess = x - self.background
        z = excess / noise
        last, self.last_excess, cusum_before = self.background + self.last_excess, excess, self.cusum
        is_tail = self._is_tail(at, x)
        weight = min(1.0, gap * 60 / (p.quick_seconds if z >= p.quick else p.unit_seconds))
        if cusum_before == 0 and self.event is None and not is_tail:
            self.rise, self.background_before_rise = at, self.background
        self.cusum = min(max(self.cusum + weight * (min(z, p.clip) - p.drift), 0.0), 4 * p.threshold)
        if self.event is None and self.outlier is None and self._is_outlier(z, excess):
            noise_floor = p.noise_absolute / 4
            self.outlier = {"at": at, "peak": x, "background": self.background, "noise": noise, "before": last}
            self.outlier |= {"until": at, "own": math.sqrt(self.variance + noise_floor * noise_floor)}
        changes = [ended]
        if self._is_second_plume(at, x, z):
            changes += self._begin_second_plume(at, x, noise)
        elif self.event:
            changes.append(self._follow_open_event(at, x, noise, z))
        else:
            changes.append(self._open_event(at, x, noise, z, is_tail))
        self._update_outlier(at, x, excess)
        self._update_baseline(at, x, noise, gap)
        return [change for change in changes if change]

    def _gap_before(self):
        interval = 0
        for first, second in pairwise(self.history):
            gap = min(second - first, 3_600_000)
            interval = min(gap, 2 * interval) if interval else gap
        return interval

    def _fall_silent(self):
        """Forget evidence; an open event ends at the last reading."""
        event, self.event, self.outlier, self.cusum = self.event, None, None, 0.0
        if event is None:
            return None
        return "ended", {**event, "revision": event["revision"] + 1, "end": self.history[-1]}

    def _is_second_plume(self, at, x, z):
        """Seven minutes after the onset of an open event, and two and a half times as high."""
        if self.event is None or z < self.p.quick or not 7 * 60_000 <= at - self.event["onset"] <= 120 * 60_000:
            return False
        return x - self._event_background() >= 2.5 * (self.event["peak"] - self.event["peak_background"])

    def _begin_second_plume(self, at, x, noise):
        before, self.background_before_rise, self.rise = self.event, self._event_background(), at
        final = {**before, "revision": before["revision"] + 1, "end": before["below"][0] if before["below"] else at}
        return ("ended", final), self._create_event(at, x, noise)

    def _open_event(self, at, x, noise, z, tail):
        before_rise = sum(moment < self.rise for moment in self.history)
        is_warm = len(self.history) > 24 or (before_rise >= 5 and z >= self.p.sure)
        is_above_threshold = self.cusum > self.p.threshold and x - self.background > self.p.smallest and is_warm
        if not is_above_threshold and not tail:
            return None
        self.rise = self.rise if is_above_threshold else self.outlier["at"]
        self._create_event(at, x, noise)
        outlier = self.outlier if self.outlier and self.outlier["until"] != at else None
        if outlier and outlier["peak"] - outlier["background"] > x - self._event_background():
            self._move_peak_to_outlier()
        return "opened", dict(self.event)

    def _create_event(self, at, x, noise):
        self.event = {
            "onset": self.rise,
            "detected": at,
            "revision": 1,
            "told": x - self._event_background(),
            "below": [],
        }
        self._set_peak(at, x, noise)
        return "opened", dict(self.event)

    def _is_tail(self, at, x):
        """The next reading is clearly above the one before the odd one, or more than half way above both around it."""
        outlier = self.outlier
        if outlier is None or self.event or not 30_000 <= at - outlier["until"] <= 180_000:
            return False
        rise, factor = x - outlier["before"], self.p.tail_now
        if "after" in outlier:
            rise, factor = outlier["after"] - (outlier["before"] + x) / 2, self.p.tail
        gap_minutes = max(1.0, (at - outlier["until"]) / 60_000)
        return rise > max(factor * gap_minutes**1.5 * outlier["own"], 0.01 * (outlier["peak"] - outlier["background"]))

    def _update_outlier(self, at, x, excess):
        outlier = self.outlier
        if outlier is None or outlier["until"] == at:
            return
        is_back = self.event is None and excess < 0.3 * (outlier["peak"] - outlier["background"])
        is_soon = 30_000 <= at - outlier["until"] <= 180_000
        if is_back and is_soon and "after" not in outlier:
            outlier |= {"after": x, "until": at}
        else:
            self.outlier = None

    def _move_peak_to_outlier(self):
        outlier = self.outlier
        self.event |= {
            "peak": outlier["peak"],
            "peak_at": outlier["at"],
            "told": outlier["peak"] - outlier["background"],
        }
        self.event |= {"peak_background": outlier["background"], "peak_noise": outlier["noise"]}

    def _is_outlier(self, z, excess):
        return z >= self.p.odd and excess > self.p.smallest and len(self.history) > 24

    def _event_background(self):
        return min(self.background, self.background_before_rise)

    def _set_peak(self, at, x, noise):
        self.event |= {"peak": x, "peak_at": at, "peak_background": self._event_background(), "peak_noise": noise}

    def _follow_open_event(self, at, x, noise, z):
        event, excess = self.event, x - self.background
        if x - self._event_background() > event["peak"] - event["peak_background"]:
            self._set_peak(at, x, noise)
        size = event["peak"] - event["peak_background"]
        event["below"] = [*event["below"], at] if excess < 0.3 * size or z < 1 else []
        is_too_long = at - event["onset"] > 120 * 60_000
        is_quiet = len(event["below"]) >= 2 and at - event["below"][0] >= 1000 * self.p.close_seconds
        if is_too_long or is_quiet:
            event["revision"] += 1
            event["end"] = event["below"][0] if event["below"] else at
            final = dict(event)
            if is_too_long:
                self.background = x
            self.event, self.cusum = None, 0.0
            return "ended", final
        is_more_severe = sum(size >= level for level in self.levels) > sum(
            event["told"] >= level for level in self.levels
        )
        if is_more_severe or size > 1.3 * event["told"]:
            event["revision"] += 1
            event["told"] = size
            return "updated", dict(event)
        return None

    def _update_baseline(self, at, x, noise, gap):
        p, history_minutes = self.p, max((at - self.history[0]) / 60_000, gap)
        slowdown = p.freeze if self.event else 1 / (1 + p.hold * self.cusum / p.threshold)
        clipped = min(max((x - self.background) / noise, -p.fall_limit), p.rise_limit)
        rate = exponential_step(gap / min(p.background_minutes, history_minutes))
        rate = min(1.0, p.fall_speed * rate) if clipped < -1.5 else rate
        self.background += slowdown * rate * noise * clipped
        noise_rate = slowdown * exponential_step(gap / min(p.noise_minutes, history_minutes))
        self.variance += noise_rate * ((noise * clipped) ** 2 - self.variance)


def travel_window(vector, wind, interval_ms):
    """Earliest and latest beginning of a neighbour's rise that counts, ms after the onset; None: it cannot count.

    vector  (east, north) in metres from the station to the neighbour
    wind    (degrees it comes from, m/s), or None
    """
    distance = math.hypot(*vector)
    if wind is None:
        middle, tolerance = 0.0, 1000 * distance
    else:
        angle = math.radians(wind[0] + 180)
        downwind = vector[0] * math.sin(angle) + vector[1] * math.cos(angle)
        middle, tolerance = 1000 * downwind / wind[1], 500 * distance / wind[1]
    earliest = max(middle - tolerance - interval_ms, -900_000)
    latest = min(middle + tolerance + interval_ms, 900_000)
    return (earliest, latest) if earliest <= latest else None


def rises(times, stands_out):
    """Beginnings of the runs of readings that stand out, with at most a quarter of an hour between two of a run."""
    beginnings, last = [], None
    for at, high in zip(times, stands_out, strict=True):
        if high and (last is None or at - last > 900_000):
            beginnings.append(at)
        last = at if high else last
    return beginnings


@dataclass
class NaiveFlagger:
    """One datastream of `gateway.quality.kernels.flag_rows`: names of the flags of each value."""

    lower: float
    upper: float
    rise: float
    humid: bool
    steps: tuple = ()  # at multiples of which a value may stand still
    equal_times: list = field(default_factory=list)  # times of the last run of equal values
    last_value: float = math.nan

    def flag_value(self, at: int, value: float, rh: float) -> set[str]:
        if math.isnan(value):
            return set()
        if value < self.lower or value > self.upper or math.isinf(value):
            return {"OUT_OF_RANGE"}
        flags = set()
        if self.equal_times and at - self.equal_times[-1] > 10_800_000:
            self.last_value = math.nan
        if abs(value - self.last_value) > self.rise:
            flags.add("JUMP")
        if self.humid and rh > 85:
            flags.add("HUMIDITY")
        self.equal_times = [*self.equal_times, at] if value == self.last_value else [at]
        may_stand = value in (self.lower, self.upper) or any(
            abs(value / q - round(value / q)) < 1e-9 for q in self.steps
        )
        if len(self.equal_times) >= 30 and at - self.equal_times[0] >= (86_400_000 if may_stand else 600_000):
            flags.add("STUCK")
        self.last_value = value
        return flags
