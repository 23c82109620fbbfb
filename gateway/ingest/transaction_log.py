"""Writes a committed transaction to the log, with the ids by which an operator follows a reading."""

import logging
from collections.abc import Sequence

from alerting.log import get_logger
from gateway.decoding.decode import BatchHeader
from gateway.ingest.transaction_report import TransactionReport
from gateway.model.event import Event
from gateway.model.registry import Registry

_LOG = get_logger("gateway.ingest")


def log_transaction(report: TransactionReport) -> None:
    """Log events; batches only at `debug`, as there are many."""
    accepted, registry = report.accepted, report.registry
    if _LOG.isEnabledFor(logging.DEBUG):
        for id_, header in zip(accepted.ids, accepted.new, strict=True):
            _LOG.debug("batch stored", batch_id=id_, **_describe_batch(header, registry))
        for header in accepted.duplicates:
            _LOG.debug("batch stored before", **_describe_batch(header, registry))
    for copy in report.copies:
        _LOG.warning(
            "two cards of a node send at once",
            node=copy.node,
            area=registry.nodes[copy.node].area,
            incarnations=list(copy.incarnations),
            conflicts=copy.conflicts,
        )
    log_events(report.outcome.events, registry, accepted.ids)


def log_events(events: Sequence[Event], registry: Registry, ids: Sequence[int] = ()) -> None:
    """Log changes of events; `ids`: the batches of the transaction, none if the clock caused them."""
    for event in events:
        _LOG.info(f"event {event.change.value}", **_describe_event(event, ids, registry))


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
    if ids:  # the batches of the transaction; one of them caused the event
        context |= {"first_batch_id": ids[0], "last_batch_id": ids[-1]}
    return context
