"""Events, their revisions, and the state from which detection goes on after a restart."""

from collections.abc import Mapping, Sequence

from msgspec import Struct, json

from gateway.event import Event
from gateway.registry import Registry
from gateway.store.connection import QUERIES, Transaction


async def save(tx: Transaction, events: Sequence[Event], severities: Sequence[str], registry: Registry) -> None:
    """Store each revision, and the newest one as the event. The same revision again changes nothing."""
    for event, severity in zip(events, severities, strict=True):
        row = _row(event, severity, registry)
        await tx.execute(QUERIES["save_event"], row)
        await tx.execute(
            QUERIES["save_event_revision"],
            {"id": event.id, "revision": event.revision, "body": json.encode(event).decode()},
        )


def _row(event: Event, severity: str, registry: Registry) -> dict[str, object]:
    return {
        "id": event.id,
        "revision": event.revision,
        "change": event.change.value,
        "kind": event.kind.value,
        "datastream_id": registry.datastreams[event.datastream].id,
        "area_id": registry.stations[event.station].area,
        "station_id": event.station,
        "property_id": event.observed_property,
        "severity": severity,
        "onset": event.onset,
        "peak_at": event.peak_at,
        "detected_at": event.detected_at,
        "ended_at": event.end,
        "peak": event.peak,
        "background": event.background,
        "excess": event.excess,
        "noise": event.noise,
        "confidence": event.confidence,
        "reasons": list(event.reasons),
        "detector": event.detector,
        "detected_late": event.detected_late,
        "merged_into": event.merged_into,
        "state_hash": event.state_hash,
        "around": json.encode({name: getattr(event, name) for name in _AROUND}).decode(),
    }


_AROUND = ("neighbours", "wind", "upwind", "words")


class _Node(Struct):
    node_id: str
    datastreams: list[int]


async def save_states(tx: Transaction, component: str, states: Mapping[int, bytes], registry: Registry) -> None:
    """Keep the state of these slots under the component's name: all slots of each node, as its row is replaced."""
    slots: dict[str, list[int]] = {}
    for slot in states:
        slots.setdefault(registry.datastreams[slot].node, []).append(slot)
    if slots:
        nodes = [_Node(node, [registry.datastreams[slot].id for slot in own]) for node, own in slots.items()]
        joined = [b"".join(states[slot] for slot in own) for own in slots.values()]
        await tx.execute(
            QUERIES["save_states"], {"component": component, "nodes": json.encode(nodes), "states": joined}
        )


async def load_states(connection: Transaction, component: str, registry: Registry) -> dict[int, bytes]:
    """Slot -> state, as last committed."""
    slots = {d.id: d.slot for d in registry.datastreams}
    cursor = await connection.execute(
        QUERIES["load_states"], {"component": component, "nodes": list(registry.slots_of)}
    )
    loaded: dict[int, bytes] = {}
    for datastreams, state in await cursor.fetchall():
        width = len(state) // len(datastreams)
        parts = (bytes(state[i * width : (i + 1) * width]) for i in range(len(datastreams)))
        loaded |= {slots[id_]: part for id_, part in zip(datastreams, parts, strict=True) if id_ in slots}
    return loaded
