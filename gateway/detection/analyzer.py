"""Quality flags and detection over rows of observations. Pure; used by ingest, replay and evaluation."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np

from edge_agent.wire import UNDATED_FLAGS
from gateway.detection.detector import Detector, DetectorState
from gateway.model.event import Event
from gateway.model.mobile import mask_fixed
from gateway.model.observation import ObservationBatch, SlotArray
from gateway.model.registry import Registry
from gateway.model.registry_index import index_registry
from gateway.quality.flagger import Flagger, QualityStates


@dataclass(frozen=True, kw_only=True)
class AnalyzerState:
    """State of flagging and detection at one moment; ingest replaces it after each COMMIT."""

    registry: Registry
    quality: QualityStates
    detection: DetectorState


@dataclass(frozen=True, kw_only=True)
class NodeStates:
    """Stored states of all datastreams of some nodes, node by node.

    datastreams  database ids of the datastreams of each node
    quality, detection  the states of all these datastreams in their order, each of equally many bytes
    """

    nodes: Sequence[str]
    datastreams: Sequence[Sequence[int]]
    quality: bytes
    detection: bytes


@dataclass(frozen=True, kw_only=True)
class Analyzer:
    """Flagger and detector as one step."""

    flagger: Flagger
    detector: Detector

    def initial(self, registry: Registry) -> AnalyzerState:
        """Return the state without any history."""
        quality, detection = self.flagger.initial(registry), self.detector.initial(registry)
        return AnalyzerState(registry=registry, quality=quality, detection=detection)

    def grow(self, state: AnalyzerState, registry: Registry) -> AnalyzerState:
        """Return the state for a newer registry; new datastreams start without history."""
        quality, detection = self.flagger.grow(state.quality, registry), self.detector.grow(state.detection, registry)
        return replace(state, registry=registry, quality=quality, detection=detection)

    def load(self, registry: Registry, quality: Mapping[int, bytes], detection: Mapping[int, bytes]) -> AnalyzerState:
        """Return the state from stored states by slot; a datastream without one starts without history."""
        return AnalyzerState(
            registry=registry,
            quality=self.flagger.load(registry, quality),
            detection=self.detector.load(registry, detection),
        )

    def dump_nodes(self, state: AnalyzerState, slots: SlotArray) -> NodeStates:
        """Return the states of all datastreams of the nodes of these slots: the database has one row per node."""
        index = index_registry(state.registry)
        nodes = index.find_nodes(slots)
        all_slots, counts = index.slots_of(nodes), index.count_slots(nodes)
        ids = iter(np.frombuffer(state.registry.datastream_ids, np.int64)[all_slots].tolist())
        return NodeStates(
            nodes=[index.nodes[place] for place in nodes.tolist()],
            datastreams=[list(islice(ids, count)) for count in counts.tolist()],
            quality=self.flagger.dump(state.quality, all_slots).tobytes(),
            detection=self.detector.dump(state.detection, all_slots).tobytes(),
        )

    def pack(self, state: AnalyzerState, *, level: int = -1) -> dict[str, Any]:
        """Return ids of the datastreams and their states for a checkpoint; `level` is zlib's."""
        slots = np.arange(len(state.registry.datastreams), dtype=np.int32)
        return {
            "ids": state.registry.datastream_ids.tolist(),
            "quality": zlib.compress(self.flagger.dump(state.quality, slots).tobytes(), level),
            "detection": zlib.compress(self.detector.dump(state.detection, slots).tobytes(), level),
        }

    def unpack(self, registry: Registry, ids: Sequence[int], quality: bytes, detection: bytes) -> AnalyzerState:
        """Return the state from packed bytes; datastreams that the registry does not have are left out."""
        slots = {d.id: d.slot for d in registry.datastreams}
        return self.load(registry, _split_states(quality, ids, slots), _split_states(detection, ids, slots))

    def analyze(
        self, state: AnalyzerState, rows: ObservationBatch
    ) -> tuple[AnalyzerState, ObservationBatch, list[Event]]:
        """Flag and detect. Rows with a suspect time, and those of moving stations, are not used for detection."""
        quality, rows = self.flagger.flag(state.quality, rows, state.registry)
        is_used = ((rows.flags & int(UNDATED_FLAGS)) == 0) & mask_fixed(state.registry)[rows.datastream]
        trusted = rows[is_used]
        detection, events = self.detector.detect(state.detection, trusted, state.registry)
        return replace(state, quality=quality, detection=detection), rows, events

    def end_silent_events(self, state: AnalyzerState, now_ms: int) -> tuple[AnalyzerState, list[Event]]:
        """End the open events of datastreams that are silent at `now_ms` (ms UTC)."""
        detection, events = self.detector.end_silent_events(state.detection, now_ms, state.registry)
        return replace(state, detection=detection), events


def _split_states(compressed: bytes, ids: Sequence[int], slots: Mapping[int, int]) -> dict[int, bytes]:
    states = zlib.decompress(compressed)
    size = len(states) // max(1, len(ids))
    return {slots[id_]: states[i * size : (i + 1) * size] for i, id_ in enumerate(ids) if id_ in slots}
