"""Counts and times a committed transaction for Prometheus."""

import time
from collections import Counter
from functools import lru_cache

import numpy as np
from prometheus_client import Gauge

from edge_agent.wire import Flag
from gateway import telemetry
from gateway.ingest.transaction_report import TransactionReport
from gateway.model.observation import ObservationBatch
from gateway.model.registry import Registry
from gateway.model.registry_index import index_registry
from gateway.store import ledger


def count_transaction(report: TransactionReport) -> None:
    """Update all counters and histograms of ingest."""
    registry, rows = report.registry, report.outcome.rows
    telemetry.COMMIT_SECONDS.observe(report.seconds)
    _count_batches(registry, report.accepted)
    _count_observations(registry, rows)
    for rejection in report.rejected:
        telemetry.REJECTED_PAYLOADS.labels(rejection.reason.value).inc()
    telemetry.OMITTED_PAYLOADS.inc(report.omitted)
    for copy in report.copies:
        telemetry.COPIES.labels(registry.nodes[copy.node].area, copy.node).inc()
    for flag in Flag:
        flagged = int(((rows.flags & int(flag)) != 0).sum())
        if flagged:
            telemetry.FLAGGED_OBSERVATIONS.labels((flag.name or "").lower()).inc(flagged)
    for event in report.outcome.events:
        telemetry.EVENTS.labels(registry.stations[event.station].area, event.change.value, event.kind.value).inc()


def _count_batches(registry: Registry, accepted: ledger.AcceptedBatches) -> None:
    now = time.time()
    # Summed first: looking up a labelled metric costs as much as decoding a batch.
    batches, readings = Counter[tuple[str, str]](), Counter[str]()
    for header in accepted.new:
        area = registry.nodes[header.node].area
        batches[area, "stored"] += 1
        readings[area] += header.readings
        if header.clock_doubt is not None:
            telemetry.UNDATED_BATCHES.labels(area, header.node, header.clock_doubt.value).inc()
        elif not header.late:
            telemetry.OBSERVED_TO_COMMITTED_SECONDS.observe(now - header.earliest_ms / 1000)
    for header in accepted.duplicates:
        batches[registry.nodes[header.node].area, "duplicate"] += 1
    for labels, number in batches.items():
        telemetry.BATCHES.labels(*labels).inc(number)
    for area, number in readings.items():
        telemetry.READINGS.labels(area).inc(number)
    for node in {header.node for header in accepted.new}:
        _last_seen_of(registry.nodes[node].area, node).set(now)


def _count_observations(registry: Registry, rows: ObservationBatch) -> None:
    if not len(rows):
        return
    index = index_registry(registry)
    counts = np.bincount(index.area_of[rows.datastream], minlength=len(index.areas)).tolist()
    for area, count in zip(index.areas, counts, strict=True):
        if count:
            telemetry.OBSERVATIONS.labels(area).inc(count)


@lru_cache(maxsize=100_000)  # looking up a labelled metric costs five times as much
def _last_seen_of(area: str, node: str) -> Gauge:
    return telemetry.LAST_SEEN.labels(area, node)
