"""Prometheus metrics of the receivers of guests. Their names are part of the interface: docs/metrics.md."""

from prometheus_client import Counter

MESSAGES = Counter("piekwacht_guest_messages_total", "Messages of guests received, by what became of them", ["state"])
POLLS = Counter("piekwacht_guest_polls_total", "Polls of guests that are polled, by outcome", ["outcome"])
