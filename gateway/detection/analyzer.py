"""Flags and detection, one after the other, over rows in their order. Pure."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from edge_agent.wire import Flag
from gateway.detection.detector import Detector
from gateway.detection.detector import DetectorState as DetectorStates
from gateway.model.event import Event
from gateway.model.observation import ObservationBatch
from gateway.model.registry import Registry
from gateway.quality.flagger import Flagger, QualityStates


@dataclass(frozen=True, kw_only=True)
class AnalyzerState:
    """All that detection knows at one moment; replaced as a whole after each COMMIT."""

    registry: Registry
    quality: QualityStates
    detection: DetectorStates


@dataclass(frozen=True, kw_only=True)
class NodeStates:
    """What is stored of the memory of one node's datastreams: their ids in the database, and their states in turn."""

    node: str
    datastreams: Sequence[int]
    quality: bytes
    detection: bytes


@dataclass(frozen=True, kw_only=True)
class Analyzer:
    """What a gateway examines readings with."""

    flagger: Flagger
    detector: Detector

    def initial(self, registry: Registry) -> AnalyzerState:
        """Nothing is known of any datastream."""
        quality, detection = self.flagger.initial(registry), self.detector.initial(registry)
        return AnalyzerState(registry=registry, quality=quality, detection=detection)

    def grow(self, state: AnalyzerState, registry: Registry) -> AnalyzerState:
        """The same by a registry read anew; new datastreams start fresh."""
        quality, detection = self.flagger.grow(state.quality, registry), self.detector.grow(state.detection, registry)
        return replace(state, registry=registry, quality=quality, detection=detection)

    def load(self, registry: Registry, quality: Mapping[int, bytes], detection: Mapping[int, bytes]) -> AnalyzerState:
        """From states by slot, as they were kept; a datastream without one starts fresh."""
        return AnalyzerState(
            registry=registry,
            quality=self.flagger.load(registry, quality),
            detection=self.detector.load(registry, detection),
        )

    def dump_nodes(self, state: AnalyzerState, nodes: Sequence[str]) -> list[NodeStates]:
        """All states of each node, for a row in the database is a node."""
        registry = state.registry
        slots = [slot for node in nodes for slot in registry.slots_by_node[node]]
        quality = iter(self.flagger.dump(state.quality, slots))
        detection = iter(self.detector.dump(state.detection, slots))
        return [
            NodeStates(
                node=node,
                datastreams=[registry.datastream_ids[slot] for slot in registry.slots_by_node[node]],
                quality=b"".join(islice(quality, len(registry.slots_by_node[node]))),
                detection=b"".join(islice(detection, len(registry.slots_by_node[node]))),
            )
            for node in nodes
        ]

    def pack(self, state: AnalyzerState, *, level: int = -1) -> dict[str, Any]:
        """All of it for the database: ids of the datastreams, and their states in turn; `level` is zlib's."""
        slots = range(len(state.registry.datastreams))
        return {
            "ids": state.registry.datastream_ids.tolist(),
            "quality": zlib.compress(b"".join(self.flagger.dump(state.quality, slots)), level),
            "detection": zlib.compress(b"".join(self.detector.dump(state.detection, slots)), level),
        }

    def unpack(self, registry: Registry, ids: Sequence[int], quality: bytes, detection: bytes) -> AnalyzerState:
        """What `pack` made; datastreams that the registry does not know are left out."""
        slots = {d.id: d.slot for d in registry.datastreams}
        return self.load(registry, _split_states(quality, ids, slots), _split_states(detection, ids, slots))

    def analyze(
        self, state: AnalyzerState, rows: ObservationBatch
    ) -> tuple[AnalyzerState, ObservationBatch, list[Event]]:
        """Flag and detect. Rows whose time cannot be believed are kept, and never detected on."""
        quality, rows = self.flagger.flag(state.quality, rows, state.registry)
        trusted = rows[(rows.flags & int(Flag.TIME_SUSPECT)) == 0]
        detection, events = self.detector.detect(state.detection, trusted, state.registry)
        return replace(state, quality=quality, detection=detection), rows, events


def _split_states(compressed: bytes, ids: Sequence[int], slots: Mapping[int, int]) -> dict[int, bytes]:
    states = zlib.decompress(compressed)
    size = len(states) // max(1, len(ids))
    return {slots[id_]: states[i * size : (i + 1) * size] for i, id_ in enumerate(ids) if id_ in slots}
