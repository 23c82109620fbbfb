"""Self-test metrics for Prometheus, over the thirty days up to the last examined hour."""

from prometheus_client import Counter, Gauge

_LABELS = ["property", "interval", "multiple"]

HOURS = Counter("piekwacht_selftest_hours_total", "Hours of an area that were examined", ["area"])
PEAKS = Gauge("piekwacht_selftest_peaks", "Synthetic peaks that count", _LABELS)
PROBABILITY = Gauge("piekwacht_selftest_probability", "Share of them that was found", _LABELS)
DELAY = Gauge("piekwacht_selftest_delay_seconds", "From a synthetic peak's onset to its detection, median", _LABELS)
RATIO = Gauge("piekwacht_selftest_size_ratio", "Size as found, of the true one, median", _LABELS)
ALONE = Gauge(
    "piekwacht_selftest_alone_per_sensor_day",
    "Peaks told without synthetic ones, with no neighbour that rose: at most so many false alarms",
    ["property", "interval"],
)
