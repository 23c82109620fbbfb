"""Flags and detection, one after the other, over rows in their order. Pure."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from edge_agent.wire import Flag
from gateway.detection.detector import Detector
from gateway.detection.detector import States as DetectorStates
from gateway.model.event import Event
from gateway.model.observation import ObservationBatch
from gateway.model.registry import Registry
from gateway.quality.flagger import Flagger
from gateway.quality.flagger import States as QualityStates


@dataclass(frozen=True, kw_only=True)
class Memory:
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
class Senses:
    """What a gateway examines readings with."""

    flagger: Flagger
    detector: Detector

    def initial(self, registry: Registry) -> Memory:
        """Nothing is known of any datastream."""
        quality, detection = self.flagger.initial(registry), self.detector.initial(registry)
        return Memory(registry=registry, quality=quality, detection=detection)

    def grow(self, memory: Memory, registry: Registry) -> Memory:
        """The same by a registry read anew; new datastreams start fresh."""
        quality, detection = self.flagger.grow(memory.quality, registry), self.detector.grow(memory.detection, registry)
        return replace(memory, registry=registry, quality=quality, detection=detection)

    def load(self, registry: Registry, quality: Mapping[int, bytes], detection: Mapping[int, bytes]) -> Memory:
        """From states by slot, as they were kept; a datastream without one starts fresh."""
        return Memory(
            registry=registry,
            quality=self.flagger.load(registry, quality),
            detection=self.detector.load(registry, detection),
        )

    def states_of(self, memory: Memory, nodes: Sequence[str]) -> list[NodeStates]:
        """All states of each node, for a row in the database is a node."""
        registry = memory.registry
        slots = [slot for node in nodes for slot in registry.slots_of[node]]
        quality = iter(self.flagger.dump(memory.quality, slots))
        detection = iter(self.detector.dump(memory.detection, slots))
        return [
            NodeStates(
                node=node,
                datastreams=[registry.ids[slot] for slot in registry.slots_of[node]],
                quality=b"".join(islice(quality, len(registry.slots_of[node]))),
                detection=b"".join(islice(detection, len(registry.slots_of[node]))),
            )
            for node in nodes
        ]

    def pack(self, memory: Memory, *, level: int = -1) -> dict[str, Any]:
        """All of it for the database: ids of the datastreams, and their states in turn; `level` is zlib's."""
        slots = range(len(memory.registry.datastreams))
        return {
            "ids": memory.registry.ids.tolist(),
            "quality": zlib.compress(b"".join(self.flagger.dump(memory.quality, slots)), level),
            "detection": zlib.compress(b"".join(self.detector.dump(memory.detection, slots)), level),
        }

    def unpack(self, registry: Registry, ids: Sequence[int], quality: bytes, detection: bytes) -> Memory:
        """What `pack` made; datastreams that the registry does not know are left out."""
        slots = {d.id: d.slot for d in registry.datastreams}
        return self.load(registry, _parted(quality, ids, slots), _parted(detection, ids, slots))

    def examine(self, memory: Memory, rows: ObservationBatch) -> tuple[Memory, ObservationBatch, list[Event]]:
        """Flag and detect. Rows whose time cannot be believed are kept, and never detected on."""
        quality, rows = self.flagger.flag(memory.quality, rows, memory.registry)
        believable = rows[(rows.flags & int(Flag.TIME_SUSPECT)) == 0]
        detection, events = self.detector.detect(memory.detection, believable, memory.registry)
        return replace(memory, quality=quality, detection=detection), rows, events


def _parted(compressed: bytes, ids: Sequence[int], slots: Mapping[int, int]) -> dict[int, bytes]:
    whole = zlib.decompress(compressed)
    size = len(whole) // max(1, len(ids))
    return {slots[id_]: whole[i * size : (i + 1) * size] for i, id_ in enumerate(ids) if id_ in slots}
