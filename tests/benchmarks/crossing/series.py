"""Plumes on a background of one reading per second, and the moments at which each plume crosses LEVEL."""

import numpy as np

LEVEL = 5.0  # ug/m3 above the background
EVERY = 3_600  # s from one plume to the next
LATEST = 1_800  # s after the crossing: a later alarm is that of another plume
_EARLIEST = 300  # s before it
_BACKGROUND = 8.0  # ug/m3


def make_series(memory, deviation, *, seed, seconds, has_plumes):
    """(values per second, crossings in s). `memory`: of the noise, from one second to the next."""
    rng = np.random.default_rng(seed)
    values = _BACKGROUND + make_noise(rng, memory, deviation, seconds) + np.cumsum(rng.normal(0, 0.002, seconds))
    crossings = []
    for begin in range(EVERY, seconds - EVERY, EVERY) if has_plumes else ():
        shape = make_plume(rng)
        values[begin : begin + len(shape)] += shape
        crossings.append(begin + find_crossing(shape))
    return np.round(values, 1), crossings


def make_noise(rng, memory, deviation, seconds):
    """Noise of this standard deviation, per second."""
    shocks = rng.normal(0, deviation * np.sqrt(1 - memory * memory), seconds)
    noise, last = np.empty(seconds), 0.0
    for second, shock in enumerate(shocks):
        last = memory * last + shock
        noise[second] = last
    return noise


def make_plume(rng):
    """A rise and a longer fall, per second, in ug/m3: 8 to 100 ug/m3 high, 1 to 30 minutes long."""
    duration, size = np.exp(rng.uniform(np.log([60, 8]), np.log([1_800, 100])))
    steepness = rng.uniform(1.6, 4.0)
    peak = duration / 3
    time = (np.arange(int(min(3_000, 2.5 * duration))) + 0.5) / peak
    return size * time ** (steepness - 1) * np.exp((steepness - 1) * (1 - time))


def find_crossing(shape):
    """The first second at which the plume alone is above LEVEL."""
    return int(np.argmax(shape > LEVEL))


def make_live_values(rng, seconds, latest_crossing):
    """(values per second, crossing): constant background, white noise, one plume that crosses in time."""
    shape = make_plume(rng)
    begin = int(rng.uniform(10, latest_crossing / 2))
    while begin + find_crossing(shape) > latest_crossing:
        shape = make_plume(rng)
    values = _BACKGROUND + make_noise(rng, 0.0, 0.4, seconds)
    length = min(len(shape), seconds - begin)
    values[begin : begin + length] += shape[:length]
    return np.round(values, 1), begin + find_crossing(shape)


def make_calm_values(rng, seconds):
    """The same without a plume."""
    return np.round(_BACKGROUND + make_noise(rng, 0.0, 0.4, seconds), 1)


def fixed_limit():
    """The level that an operator would write into a rule, as it knows no background."""
    return _BACKGROUND + LEVEL


def find_waits(alarms, crossings):
    """Seconds from each crossing to the first alarm of its plume; 0 for one before it, None without one."""
    waits = []
    for crossing in crossings:
        near = [alarm for alarm in alarms if crossing - _EARLIEST < alarm < crossing + LATEST]
        waits.append(max(0.0, near[0] - crossing) if near else None)
    return waits


def describe_waits(waits):
    """Median, 95 % and longest wait in s, and how many have none, as cells of a table."""
    reached = [wait for wait in waits if wait is not None]
    missed = f"{len(waits) - len(reached)} of {len(waits)}"
    if not reached:
        return ["-", "-", "-", missed]
    return [*(f"{np.percentile(reached, share):.1f}" for share in (50, 95, 100)), missed]
