"""The values around a peak, which a mail draws and describes: spacing, mean and flags. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median

from msgspec import Struct

from alerting.alert import Alert
from alerting.averaging import AveragingRule, average_values

MARGIN_BEFORE = timedelta(minutes=15)  # shown before the onset
MARGIN_AFTER = timedelta(minutes=5)  # shown after the end
MAX_FROM_PEAK = timedelta(minutes=90)  # from the peak, either way

# The wire's quality flags by bit, in the order of the wire; a test holds the two together.
FLAG_NAMES = (
    "warm_up", "cleaning", "out_of_range", "stale", "checksum_retry", "stuck", "humidity", "clock_unsynced",
    "size_extrapolated", "sensor_fault", "jump", "neighbour_disagrees", "maintenance", "calibration_expired",
    "time_suspect",
)  # fmt: skip


class TimeSeriesPoint(Struct, frozen=True, kw_only=True):
    """One observation; `value` is None if the sensor gave none."""

    at: datetime
    value: float | None
    flags: int = 0


class TimeSeries(Struct, frozen=True, kw_only=True):
    """Observations of one datastream in order of time, in the property's unit."""

    points: tuple[TimeSeriesPoint, ...]

    @property
    def spacing(self) -> float | None:
        """Median of the seconds between successive points; None for fewer than three."""
        steps = [(b.at - a.at).total_seconds() for a, b in zip(self.points, self.points[1:], strict=False)]
        return median(steps) if len(steps) > 1 else None

    def mean(self, since: datetime, until: datetime, rule: AveragingRule) -> float | None:
        """Return the mean of the values from `since` through `until`; None if there are none."""
        inside = [p.value for p in self.points if p.value is not None and since <= p.at <= until]
        return average_values(inside, rule) if inside else None

    def flag_names(self, since: datetime, until: datetime) -> Sequence[str]:
        """Return the names of the flags of all points from `since` through `until`."""
        bits = 0
        for point in self.points:
            if since <= point.at <= until:
                bits |= point.flags
        return [name for bit, name in enumerate(FLAG_NAMES) if bits >> bit & 1]


def select_window(alert: Alert, now: datetime) -> tuple[datetime, datetime]:
    """Return the period to read for this alert: around the event so far, at most 90 minutes from its peak."""
    until = min(now, alert.end + MARGIN_AFTER) if alert.end else max(now, alert.peak_at)
    return max(alert.onset - MARGIN_BEFORE, alert.peak_at - MAX_FROM_PEAK), min(until, alert.peak_at + MAX_FROM_PEAK)
