"""What one transaction did, for Prometheus."""

import time
from collections import Counter
from collections.abc import Sequence

import numpy as np

from edge_agent.wire import Flag
from gateway import telemetry
from gateway.decoding.decode import Rejected
from gateway.model.event import Event
from gateway.model.observation import ObservationBatch
from gateway.model.registry import Registry
from gateway.store import ledger


def account(
    *,
    registry: Registry,
    accepted: ledger.Accepted,
    rejected: Sequence[Rejected],
    rows: ObservationBatch,
    events: Sequence[Event],
    seconds: float,
) -> None:
    """Count and time it, after COMMIT."""
    telemetry.COMMIT.observe(seconds)
    _count_batches(registry, accepted, rows)
    for one in rejected:
        telemetry.REJECTED.labels(one.reason.value).inc()
    for flag in Flag:
        flagged = int(((rows.flags & int(flag)) != 0).sum())
        if flagged:
            telemetry.FLAGGED.labels((flag.name or "").lower()).inc(flagged)
    for event in events:
        telemetry.EVENTS.labels(registry.stations[event.station].area, event.change.value, event.kind.value).inc()


def _count_batches(registry: Registry, accepted: ledger.Accepted, rows: ObservationBatch) -> None:
    now = time.time()
    # summed first: finding a labelled metric costs as much as decoding a batch
    batches, readings, observations_ = Counter[tuple[str, str]](), Counter[str](), Counter[str]()
    for heading in accepted.fresh:
        area = registry.nodes[heading.node].area
        batches[area, "stored"] += 1
        readings[area] += heading.readings
        if not heading.late:
            telemetry.COMMITTED_AGE.observe(now - heading.first / 1000)
    for heading in accepted.duplicates:
        batches[registry.nodes[heading.node].area, "duplicate"] += 1
    counts = np.bincount(rows.datastream)
    for slot in np.flatnonzero(counts).tolist():
        observations_[registry.stations[registry.datastreams[slot].station].area] += int(counts[slot])
    for labels, number in batches.items():
        telemetry.BATCHES.labels(*labels).inc(number)
    for metric, sums in ((telemetry.READINGS, readings), (telemetry.OBSERVATIONS, observations_)):
        for area, number in sums.items():
            metric.labels(area).inc(number)
    for node in {h.node for h in accepted.fresh}:
        telemetry.LAST_SEEN.labels(registry.nodes[node].area, node).set(now)
