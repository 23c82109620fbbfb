"""What a transaction tells the world: events kept, alerts handed to alerting, messages for the live feed."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from alerting import inbox
from gateway.ingest.alert_mapping import severity, to_alerts
from gateway.live.message import LiveEvent, LiveMessage, LiveObservation
from gateway.model.event import Event
from gateway.model.registry import Registry
from gateway.store import events as event_store
from gateway.store.connection import QUERIES, Transaction


async def announce(
    tx: Transaction, news: Sequence[LiveObservation], events: Sequence[Event], registry: Registry
) -> list[LiveMessage]:
    """Keep the events, with their alerts, in this transaction; returns what viewers should see after its COMMIT."""
    levels = [severity(event, registry.properties[event.observed_property]).value for event in events]
    await event_store.save(tx, events, levels, registry)
    await inbox.put(tx, to_alerts(events, registry))
    return await _live(tx, news, zip(events, levels, strict=True), registry)


async def _live(
    tx: Transaction, news: Sequence[LiveObservation], events: Iterable[tuple[Event, str]], registry: Registry
) -> list[LiveMessage]:
    """One message an area, each with its own number: the newest live value of each datastream, every event change."""
    areas: dict[str, tuple[list[LiveObservation], list[LiveEvent]]] = {}
    for observation in news:
        areas.setdefault(registry.stations[observation.station].area, ([], []))[0].append(observation)
    for event, level in events:
        area = registry.stations[event.station].area
        unit = registry.properties[event.observed_property].unit
        live = LiveEvent(event=event, area=area, severity=level, unit=unit)
        areas.setdefault(area, ([], []))[1].append(live)
    if not areas:
        return []
    numbers = await (await tx.execute(QUERIES["next_live_ids"], {"count": len(areas)})).fetchall()
    now = datetime.now(UTC)
    return [
        LiveMessage(id=number, area=area, committed_at=now, observations=seen, events=found)
        for (number,), (area, (seen, found)) in zip(numbers, areas.items(), strict=True)
    ]
