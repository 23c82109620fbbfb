"""Alerting's metrics for Prometheus."""

from prometheus_client import Counter, Gauge, Histogram

DECISIONS = Counter("piekwacht_alert_decisions_total", "Whether receivers were told, by reason", ["reason"])
DELIVERIES = Counter(
    "piekwacht_deliveries_total", "Attempts to deliver, by channel and outcome", ["channel", "outcome"]
)
ADDRESSEES = Counter(
    "piekwacht_delivery_addressees_total",
    "Addressees of the attempts, by channel and outcome; one for a channel without addressees",
    ["channel", "outcome"],
)
DELIVERY_DELAY = Histogram(
    "piekwacht_alert_to_channel_seconds",
    "From the event's COMMIT to a channel that took the notification",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600),
)
QUEUE_SIZE = Gauge("piekwacht_alerting_queue_size", "Entries waiting, by queue", ["queue"])
RULES_SET_ASIDE = Gauge(
    "piekwacht_alerting_rules_set_aside",
    "Rules that are not applied because they cannot be evaluated, by kind",
    ["kind"],
)
FAILURES = Counter("piekwacht_alerting_failures_total", "Alerting's own failures, by part", ["part"])
HEARTBEAT_TIME = Gauge(
    "piekwacht_alerting_heartbeat_timestamp_seconds", "When the outside world last took our heartbeat"
)
ACKNOWLEDGEMENTS = Counter("piekwacht_alert_answers_total", "What came of links in mails that were opened", ["outcome"])
NOTICE_DECISIONS = Counter(
    "piekwacht_notice_decisions_total", "Whether subscribers were notified of a plume, by reason", ["reason"]
)
NOTICES = Counter(
    "piekwacht_notices_total",
    "Attempts to send a notice to a subscriber, by channel and outcome",
    ["channel", "outcome"],
)
NOTICE_DELAY = Histogram(
    "piekwacht_notice_delay_seconds",
    "From the event's COMMIT to a mail server or push service that took the notice",
    ["channel"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 600),
)
NOTICE_QUEUE_SIZE = Gauge("piekwacht_notice_queue_size", "Notices to subscribers that wait")
NOTICE_QUEUE_DELAY = Gauge("piekwacht_notice_queue_delay_seconds", "For how long the oldest notice has been due")
