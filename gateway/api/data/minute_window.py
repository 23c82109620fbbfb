"""The newest minute of one property at one station: the 60 s that end at its newest valid value. Pure.

`latest_values` fills it from the database and from the live feed. A reading that does not count is never a number
here: its flags remain, as the reason.
"""

import math
from collections import deque
from collections.abc import Iterable
from itertools import pairwise

from alerting.averaging import AveragingRule, average_values
from gateway.api.schemas.observations import ExcludedReading, Minute, flag_names
from gateway.live.message import MINUTE_MS
from gateway.model.figures import shorten
from gateway.model.geodesy import mean_direction
from gateway.model.timestamps import format_instant, from_ms
from gateway.model.validity import is_undated, mark_impossible, valid_value
from gateway.quality.humidity_correction import AirHumidity

_MIN_STEPS = 3
TimedValue = tuple[int, float | None, int]  # ms UTC, value, flags


class MinuteWindow:
    """The readings of that minute, those after it (none of which counts), and the summary `minute`."""

    __slots__ = ("_last_ms", "_later", "_readings", "_rule", "_unit", "air", "minute", "node")

    def __init__(
        self,
        unit: str,
        timed_values: Iterable[TimedValue],
        node: str = "",
        *,
        rule: AveragingRule = AveragingRule.ARITHMETIC,
    ) -> None:
        """`node`: the one that measured; its calibration holds. `rule`: how the property is averaged."""
        self._unit, self.node, self._rule = unit, node, rule
        self._readings: deque[TimedValue] = deque()  # of the 60 s that end at the newest valid one
        self._later: deque[TimedValue] = deque()  # after it, of the last 60 s
        self._last_ms: float = -math.inf
        self.add(timed_values, node)

    @property
    def newest_ms(self) -> int | None:
        """Time of the newest valid value, ms UTC; None without one."""
        return self._readings[-1][0] if self._readings else None

    @property
    def rank(self) -> tuple[float, float]:
        """Of two windows of one property and station the one with the higher rank is newer."""
        return (-math.inf if self.newest_ms is None else self.newest_ms), self._last_ms

    def is_near(self, other: "MinuteWindow", milliseconds: int) -> bool:
        """Whether the newest valid values of both are less than this apart; a window without one: its last reading."""
        at, other_at = self._last_ms if self.newest_ms is None else self.newest_ms, other.newest_ms
        return other_at is not None and abs(at - other_at) < milliseconds

    def add(self, timed_values: Iterable[TimedValue], node: str = "") -> None:
        """Append newer readings of a node, in order of time. Those whose time is not believed are left out."""
        for at, value, bits in timed_values:
            flags = mark_impossible(value, bits)
            if at <= self._last_ms or is_undated(flags):
                continue
            self._last_ms = at
            self._later.append((at, valid_value(value, flags), flags))
            if self._later[-1][1] is not None:
                self.node = node
                self._readings.extend(self._later)
                self._later.clear()
                _drop_before(self._readings, at - MINUTE_MS)
        if self._later:
            _drop_before(self._later, self._later[-1][0] - MINUTE_MS)
        self.minute = self._summarise()

    def _summarise(self) -> Minute:
        values = [value for _, value, _ in self._readings if value is not None]
        flags = _merge_flags(self._readings)
        is_direction = self._unit == "deg"
        mean = (mean_direction(values) if is_direction else average_values(values, self._rule)) if values else None
        self.air = AirHumidity(percent=mean, flags=flags | _merge_flags(self._later))  # used if this is the humidity
        return Minute(
            unit=self._unit,
            observed_at=None if self.newest_ms is None else format_instant(from_ms(self.newest_ms)),
            value=values[-1] if values else None,
            mean=shorten(mean),
            max=None if is_direction else max(values, default=None),  # directions have no maximum
            count=len(self._readings),
            valid_count=len(values),
            expected_count=_expected_count([at for at, _, _ in self._readings]),
            flags=flag_names(flags),
            excluded=self._describe_excluded(),
        )

    def _describe_excluded(self) -> ExcludedReading | None:
        """The newest reading, if it is after the newest valid value."""
        if not self._later:
            return None
        at, _, flags = self._later[-1]
        return ExcludedReading(observed_at=format_instant(from_ms(at)), flags=flag_names(flags))


def _drop_before(readings: deque[TimedValue], first_ms: int) -> None:
    """Drop readings at or before a time."""
    while readings[0][0] <= first_ms:
        readings.popleft()


def _expected_count(times: list[int]) -> int | None:
    """How many readings a complete minute has, by the median step between these; None for fewer than three steps."""
    steps = sorted(after - before for before, after in pairwise(times))
    step = steps[(len(steps) - 1) // 2] if len(steps) >= _MIN_STEPS else 0
    return max(1, round(MINUTE_MS / step)) if step > 0 else None


def _merge_flags(readings: Iterable[TimedValue]) -> int:
    flags = 0
    for _, _, bits in readings:
        flags |= bits
    return flags
