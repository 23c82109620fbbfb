"""Metrics of a shadow detector."""

from prometheus_client import Counter, Gauge

FOLLOWED = Counter("piekwacht_shadow_batches_total", "ReadingBatches that a shadow detector has followed", ["shadow"])
EVENTS = Counter("piekwacht_shadow_events_total", "Event revisions of a shadow detector", ["shadow", "change", "kind"])
NEWEST = Gauge("piekwacht_shadow_newest_timestamp_seconds", "When the newest batch followed was committed", ["shadow"])
