"""Prometheus metrics of the live feed."""

from prometheus_client import Counter, Gauge, Histogram

VIEWERS = Gauge("piekwacht_live_viewers", "Open live streams")
DROPPED = Counter("piekwacht_live_dropped_total", "Live messages or viewers dropped, by reason", ["reason"])
LIVE_AGE = Histogram(
    "piekwacht_observed_to_live_seconds",
    "From observed_at to the live feed",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 600),
)
