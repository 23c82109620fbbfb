"""Events, their revisions, and the state from which detection continues after a restart. Called by ingest."""

from collections.abc import Sequence

from msgspec import Struct, json

from gateway.detection.analyzer import NodeStates
from gateway.model.event import Event
from gateway.model.registry import Registry
from gateway.store.connection import QUERIES, Transaction


async def save_events(tx: Transaction, events: Sequence[Event], severities: Sequence[str], registry: Registry) -> None:
    """Store each revision, and the newest one as the event. A repeated revision changes nothing."""
    for event, severity in zip(events, severities, strict=True):
        row = _event_row(event, severity, registry)
        await tx.execute(QUERIES["save_event"], row)
        await tx.execute(
            QUERIES["save_event_revision"],
            {"id": event.id, "revision": event.revision, "body": json.encode(event).decode()},
        )


def _event_row(event: Event, severity: str, registry: Registry) -> dict[str, object]:
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
        "around": json.encode({name: getattr(event, name) for name in _CONTEXT_FIELDS}).decode(),
    }


_CONTEXT_FIELDS = ("neighbours", "wind", "upwind", "words")


class _NodeDatastreams(Struct):
    node_id: str
    datastreams: Sequence[int]


async def save_states(tx: Transaction, detector: str, states: Sequence[NodeStates]) -> None:
    """Replace the stored states of these nodes; `detector` is the name of the detector that they belong to."""
    if states:
        nodes = json.encode([_NodeDatastreams(state.node, state.datastreams) for state in states])
        quality, detection = [state.quality for state in states], [state.detection for state in states]
        await tx.execute(
            QUERIES["save_states"], {"nodes": nodes, "quality": quality, "detection": detection, "detector": detector}
        )


async def load_states(tx: Transaction, component: str, registry: Registry) -> dict[int, bytes]:
    """Load the last committed state of each slot."""
    slots = {d.id: d.slot for d in registry.datastreams}
    cursor = await tx.execute(QUERIES["load_states"], {"component": component, "nodes": list(registry.slots_by_node)})
    loaded: dict[int, bytes] = {}
    for datastreams, state in await cursor.fetchall():
        width = len(state) // len(datastreams)
        parts = (bytes(state[i * width : (i + 1) * width]) for i in range(len(datastreams)))
        loaded |= {slots[id_]: part for id_, part in zip(datastreams, parts, strict=True) if id_ in slots}
    return loaded
