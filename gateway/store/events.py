"""Events, their revisions, and the state from which detection continues after a restart. Called by ingest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from msgspec import Struct, json

from gateway.detection.analyzer import NodeStates
from gateway.model.event import Event
from gateway.model.registry import Registry
from gateway.store.connection import QUERIES, Transaction, fetch_all


async def save_events(
    tx: Transaction,
    events: Sequence[Event],
    severities: Sequence[str],
    registry: Registry,
    plumes: Mapping[str, str],
) -> None:
    """Store each revision, and the newest one as the event. A repeated revision changes nothing.

    `plumes`: event id -> plume id (`gateway/store/plumes.py`).
    """
    for event, severity in zip(events, severities, strict=True):
        row = _event_row(event, severity, registry) | {"plume_id": plumes.get(event.id)}
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


class _NodeDatastreams(Struct):  # `first`: place of the first state among those of all nodes
    node_id: str
    datastreams: Sequence[int]
    first: int


async def save_states(tx: Transaction, detector: str, states: NodeStates) -> None:
    """Replace the stored states of these nodes; `detector` is the name of the detector that they belong to."""
    counts = [len(ids) for ids in states.datastreams]
    if not (count := sum(counts)):
        return
    firsts = accumulate(counts, initial=0)
    rows = zip(states.nodes, states.datastreams, firsts, strict=False)
    values = {
        "nodes": json.encode([_NodeDatastreams(*row) for row in rows]),
        "quality": states.quality,
        "quality_bytes": len(states.quality) // count,
        "detection": states.detection,
        "detection_bytes": len(states.detection) // count,
        "detector": detector,
    }
    await tx.execute(QUERIES["save_states"], values)


async def load_detector_states(tx: Transaction, registry: Registry) -> dict[str, dict[int, bytes]]:
    """Load the last committed states of every detector that ran here: its name -> slot -> state."""
    slots = {d.id: d.slot for d in registry.datastreams}
    rows = await fetch_all(
        tx, _DetectorStates, QUERIES["load_detector_states"], {"nodes": list(registry.slots_by_node)}
    )
    loaded: dict[str, dict[int, bytes]] = {}
    for row in rows:
        loaded.setdefault(row.component, {}).update(_split_by_slot(row.datastreams, row.state, slots))
    return loaded


@dataclass(frozen=True, kw_only=True)
class FormerEvent:
    """An open event of another detector, with that detector's states of its node; None: they are lost."""

    event: Event
    datastream_id: int
    datastreams: Sequence[int]
    states: bytes | None

    @property
    def state(self) -> bytes | None:
        """The state of its datastream."""
        return _split_by_slot(self.datastreams, self.states or b"", {self.datastream_id: 0}).get(0)


@dataclass(frozen=True, kw_only=True)
class _FormerRow:
    body: str
    datastream_id: int
    datastreams: Sequence[int] | None
    state: bytes | None


async def load_former_events(tx: Transaction, detector: str, nodes: Sequence[str]) -> list[FormerEvent]:
    """Load the open events of these nodes that another detector than `detector` detected."""
    values = {"detector": detector, "nodes": list(nodes)}
    return [
        FormerEvent(
            event=json.decode(row.body, type=Event),
            datastream_id=row.datastream_id,
            datastreams=row.datastreams or (),
            states=row.state,
        )
        for row in await fetch_all(tx, _FormerRow, QUERIES["select_former_events"], values)
    ]


async def load_states(tx: Transaction, component: str, registry: Registry) -> dict[int, bytes]:
    """Load the last committed state of each slot."""
    slots = {d.id: d.slot for d in registry.datastreams}
    cursor = await tx.execute(QUERIES["load_states"], {"component": component, "nodes": list(registry.slots_by_node)})
    loaded: dict[int, bytes] = {}
    for datastreams, state in await cursor.fetchall():
        loaded |= _split_by_slot(datastreams, state, slots)
    return loaded


@dataclass(frozen=True, kw_only=True)
class _DetectorStates:
    component: str
    datastreams: Sequence[int]
    state: bytes


def _split_by_slot(datastreams: Sequence[int], states: bytes, slots: Mapping[int, int]) -> dict[int, bytes]:
    """Split the states of a node, one after the other, into slot -> state of the datastreams that have a slot."""
    width = len(states) // max(1, len(datastreams))
    parts = (bytes(states[i * width : (i + 1) * width]) for i in range(len(datastreams)))
    return {slots[id_]: part for id_, part in zip(datastreams, parts, strict=True) if id_ in slots}
