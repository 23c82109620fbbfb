"""What one transaction did, for the log: with the ids by which a reading is followed."""

import logging
from collections.abc import Sequence

from gateway.decoding.decode import Heading, Rejected
from gateway.model.event import Event
from gateway.model.registry import Registry
from gateway.store import ledger

_LOG = logging.getLogger(__name__)


def tell(
    registry: Registry,
    accepted: ledger.Accepted,
    rejected: Sequence[Rejected],
    events: Sequence[Event],
) -> None:
    """After COMMIT. Batches only at `debug`: there are many."""
    if _LOG.isEnabledFor(logging.DEBUG):
        for id_, heading in zip(accepted.ids, accepted.fresh, strict=True):
            _LOG.debug("batch stored", extra={"about": {"batch": id_, **_of(heading, registry)}})
        for heading in accepted.duplicates:
            _LOG.debug("batch was stored before", extra={"about": _of(heading, registry)})
    for one in rejected:
        about = {"reason": one.reason.value, "topic": one.payload.topic[:200], "detail": one.detail[:200]}
        _LOG.info("payload goes into quarantine", extra={"about": about})
    for event in events:
        _LOG.info("event %s", event.change.value, extra={"about": _event(event, accepted.ids, registry)})


def _of(heading: Heading, registry: Registry) -> dict[str, object]:
    return {
        "node": heading.node,
        "incarnation": heading.inc,
        "seq": heading.seq,
        "area": registry.nodes[heading.node].area,
        "readings": heading.readings,
        "received_at": heading.payload.received_at,
    }


def _event(event: Event, ids: Sequence[int], registry: Registry) -> dict[str, object]:
    stream = registry.datastreams[event.datastream]
    about: dict[str, object] = {
        "event": event.id,
        "revision": event.revision,
        "area": registry.stations[event.station].area,
        "station": event.station,
        "node": stream.node,
        "property": event.observed_property,
        "onset": event.onset,
    }
    if ids:  # the transaction's batches: the one that told is among them
        about |= {"first_batch": ids[0], "last_batch": ids[-1]}
    return about
