"""What one transaction did, for the log: with the ids by which a reading is followed."""

import logging
from collections.abc import Sequence

from alerting.log import get_logger
from gateway.decoding.decode import BatchHeader, RejectedPayload
from gateway.model.event import Event
from gateway.model.registry import Registry
from gateway.store import ledger

_LOG = get_logger("gateway.ingest")


def log_transaction(
    registry: Registry,
    accepted: ledger.AcceptedBatches,
    rejected: Sequence[RejectedPayload],
    events: Sequence[Event],
) -> None:
    """After COMMIT. Batches only at `debug`: there are many."""
    if _LOG.isEnabledFor(logging.DEBUG):
        for id_, header in zip(accepted.ids, accepted.new, strict=True):
            _LOG.debug("batch stored", batch_id=id_, **_describe_batch(header, registry))
        for header in accepted.duplicates:
            _LOG.debug("batch stored before", **_describe_batch(header, registry))
    for rejection in rejected:
        _LOG.info(
            "payload quarantined",
            reason=rejection.reason.value,
            topic=rejection.payload.topic[:200],
            detail=rejection.detail[:200],
        )
    for event in events:
        _LOG.info(f"event {event.change.value}", **_describe_event(event, accepted.ids, registry))


def _describe_batch(header: BatchHeader, registry: Registry) -> dict[str, object]:
    return {
        "node": header.node,
        "incarnation": header.inc,
        "seq": header.seq,
        "area": registry.nodes[header.node].area,
        "readings": header.readings,
        "received_at": header.payload.received_at,
    }


def _describe_event(event: Event, ids: Sequence[int], registry: Registry) -> dict[str, object]:
    datastream = registry.datastreams[event.datastream]
    context: dict[str, object] = {
        "event_id": event.id,
        "revision": event.revision,
        "area": registry.stations[event.station].area,
        "station": event.station,
        "node": datastream.node,
        "property": event.observed_property,
        "onset": event.onset,
    }
    if ids:  # the transaction's batches: the one that told is among them
        context |= {"first_batch_id": ids[0], "last_batch_id": ids[-1]}
    return context
