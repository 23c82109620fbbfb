"""Prometheus metrics of ingest and its workers. Their names are part of the interface: docs/metrics.md."""

from prometheus_client import Counter, Gauge, Histogram

_SECONDS_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)

BATCHES = Counter("piekwacht_batches_total", "ReadingBatches received, by outcome", ["area", "outcome"])
READINGS = Counter("piekwacht_readings_total", "Readings (points in time of a node) committed", ["area"])
OBSERVATIONS = Counter("piekwacht_observations_total", "Observations (values of a datastream) committed", ["area"])
FLAGGED_OBSERVATIONS = Counter("piekwacht_flagged_observations_total", "Observations committed with a flag", ["flag"])
REJECTED_PAYLOADS = Counter("piekwacht_rejected_total", "Payloads put into quarantine, by reason", ["reason"])
COPIES = Counter(
    "piekwacht_node_copies_total", "Transactions that showed two cards of one node at once", ["area", "node"]
)
EVENTS = Counter("piekwacht_events_total", "Event revisions committed", ["area", "change", "kind"])
COMMIT_SECONDS = Histogram(
    "piekwacht_commit_seconds", "From the first payload of a micro-batch to its COMMIT", buckets=_SECONDS_BUCKETS
)
DETECT_SECONDS = Histogram(
    "piekwacht_detect_seconds", "Quality and detection of one micro-batch", buckets=_SECONDS_BUCKETS
)
OBSERVED_TO_COMMITTED_SECONDS = Histogram(
    "piekwacht_observed_to_committed_seconds",
    "From observed_at to COMMIT, oldest reading of each live batch",
    buckets=_SECONDS_BUCKETS,
)
QUEUE = Gauge("piekwacht_queue_size", "Entries waiting, by queue", ["queue"])
LAST_SEEN = Gauge("piekwacht_node_last_seen_timestamp_seconds", "When a node last sent a batch", ["area", "node"])
UNDATED_BATCHES = Counter(
    "piekwacht_undated_batches_total", "Batches stored without a date", ["area", "node", "reason"]
)
DATED_BATCHES = Counter("piekwacht_dated_batches_total", "Batches that were dated again", ["node"])
CONNECTED_SESSIONS = Gauge("piekwacht_ingest_connected", "Broker sessions that ingest payloads")
AREAS = Gauge("piekwacht_areas", "Areas that the workers share")
COSIGNATURES = Counter(
    "piekwacht_log_cosignatures_total", "Heads of the public log sent to a witness, by outcome", ["witness", "outcome"]
)
TIME_STAMPS = Counter(
    "piekwacht_log_time_stamps_total", "RFC 3161 time stamps requested for heads of the public log", ["outcome"]
)
LEASED_AREAS = Gauge("piekwacht_leased_areas", "Areas that this worker ingests, of those shared")
FAILURES = Counter("piekwacht_failures_total", "Temporary failures that were retried", ["part"])
ANSWERED_AT = Gauge(
    "piekwacht_service_answered_timestamp_seconds", "When the event loop of a service last had a turn", ["service"]
)
RESTARTS = Counter(
    "piekwacht_service_restarts_total", "Services that `piekwacht up` started again, by reason", ["service", "reason"]
)
LOG_SIZE = Gauge("piekwacht_log_size", "Leaves in the newest checkpoint of the public log", ["area"])
LOG_CHECKPOINT_AT = Gauge(
    "piekwacht_log_checkpoint_timestamp_seconds", "When the public log last had everything committed", ["area"]
)
LOG_FAILURES = Counter("piekwacht_log_failures_total", "Steps of the public log that failed", ["area"])
