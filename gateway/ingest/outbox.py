"""Results of a transaction for others: stored events, alerts for alerting, messages for the live feed."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from alerting import inbox
from gateway.ingest.alert_mapping import build_alerts
from gateway.live.message import LiveEvent, LiveMessage, LiveObservation
from gateway.model.event import Event
from gateway.model.registry import Registry
from gateway.model.severity import classify_severity
from gateway.store import events as event_store
from gateway.store.connection import QUERIES, Transaction
from gateway.store.plumes import assign_plumes


async def write_outbox(
    tx: Transaction, live_observations: Sequence[LiveObservation], events: Sequence[Event], registry: Registry
) -> list[LiveMessage]:
    """Store the events and their alerts in this transaction; return the messages to publish after its COMMIT."""
    levels = [registry.properties[event.observed_property].severity_levels for event in events]
    severities = [classify_severity(event.excess, own).value for event, own in zip(events, levels, strict=True)]
    plumes = await assign_plumes(tx, events, registry)
    await event_store.save_events(tx, events, severities, registry, plumes)
    await inbox.put_alerts(tx, build_alerts(events, registry, plumes))
    live_events = [
        _build_live_event(event, severity, registry, plumes) for event, severity in zip(events, severities, strict=True)
    ]
    return await _build_live_messages(tx, live_observations, live_events, registry)


def _build_live_event(event: Event, severity: str, registry: Registry, plumes: Mapping[str, str]) -> LiveEvent:
    area, unit = registry.stations[event.station].area, registry.properties[event.observed_property].unit
    return LiveEvent(event=event, area=area, severity=severity, unit=unit, plume=plumes.get(event.id))


async def _build_live_messages(
    tx: Transaction,
    live_observations: Sequence[LiveObservation],
    live_events: Iterable[LiveEvent],
    registry: Registry,
) -> list[LiveMessage]:
    """Build one numbered message per area: the newest live value of each datastream, every event change."""
    by_area: defaultdict[str, tuple[list[LiveObservation], list[LiveEvent]]] = defaultdict(lambda: ([], []))
    stations = registry.stations
    for observation in live_observations:
        by_area[stations[observation.station].area][0].append(observation)
    for live_event in live_events:
        by_area[live_event.area][1].append(live_event)
    if not by_area:
        return []
    numbers = await (await tx.execute(QUERIES["take_live_ids"], {"count": len(by_area)})).fetchall()
    now = datetime.now(UTC)
    return [
        LiveMessage(id=number, area=area, committed_at=now, observations=area_observations, events=area_events)
        for (number,), (area, (area_observations, area_events)) in zip(numbers, by_area.items(), strict=True)
    ]
