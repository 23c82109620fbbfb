"""Ends the open events of the detector before, once after the states were loaded. Called by the pipeline."""

from msgspec import structs

from alerting.log import get_logger
from gateway.detection.handover import end_event, last_reading_at
from gateway.ingest.outbox import write_outbox
from gateway.ingest.transaction_log import log_events
from gateway.live.message import LiveMessage
from gateway.model.event import Event
from gateway.model.registry import Registry
from gateway.store import events as event_store
from gateway.store.connection import Store
from gateway.store.events import FormerEvent

_LOG = get_logger("gateway.ingest")


class FormerEventEnder:
    """Ends what another version, or the same with other settings, left open in one store's areas."""

    def __init__(self, store: Store, detector: str) -> None:
        self._store, self._detector = store, detector
        self._ended_at_load = 0  # number of the load after which it last ran

    async def end_after_load(self, load_number: int, registry: Registry) -> list[LiveMessage]:
        """Store the closing revisions, once per load of the states; messages for viewers. Raises psycopg.Error."""
        if load_number == self._ended_at_load:
            return []
        async with self._store.transaction() as tx:
            former = await event_store.load_former_events(tx, self._detector, list(registry.slots_by_node))
            slots = {d.id: d.slot for d in registry.datastreams}
            events = [_end(event, slots[event.datastream_id], registry) for event in former]
            messages = await write_outbox(tx, [], events, registry)
        self._ended_at_load = load_number
        log_events(events, registry)
        if events:
            _LOG.info("events of another detector ended", events=len(events), detector=self._detector)
        return messages


def _end(former: FormerEvent, slot: int, registry: Registry) -> Event:
    event, state = former.event, former.state
    last_at = event.detected_at if state is None else last_reading_at(state)
    return end_event(_in_slot(event, slot), last_at, registry)


def _in_slot(event: Event, slot: int) -> Event:
    """Return the event with the slot of its datastream in this process."""
    return structs.replace(event, datastream=slot)
