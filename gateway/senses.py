"""Flags and detection, one after the other, over rows in their order. Pure."""

from dataclasses import dataclass, replace

from edge_agent.wire import Flag
from gateway.detection.detector import Detector
from gateway.detection.detector import States as DetectorStates
from gateway.event import Event
from gateway.observation import ObservationBatch
from gateway.quality.flagger import Flagger
from gateway.quality.flagger import States as QualityStates
from gateway.registry import Registry


@dataclass(frozen=True, kw_only=True)
class Memory:
    """All that detection knows at one moment; replaced as a whole after each COMMIT."""

    registry: Registry
    quality: QualityStates
    detection: DetectorStates
    anchored: frozenset[tuple[str, str]] = frozenset()  # (node, boot) whose clock was trusted once


@dataclass(frozen=True, kw_only=True)
class Senses:
    """What a gateway examines readings with."""

    flagger: Flagger
    detector: Detector

    def initial(self, registry: Registry) -> Memory:
        """Nothing is known of any datastream."""
        quality, detection = self.flagger.initial(registry), self.detector.initial(registry)
        return Memory(registry=registry, quality=quality, detection=detection)

    def examine(self, memory: Memory, rows: ObservationBatch) -> tuple[Memory, ObservationBatch, list[Event]]:
        """Flag and detect. Rows whose time cannot be believed are kept, and never detected on."""
        quality, rows = self.flagger.flag(memory.quality, rows, memory.registry)
        believable = rows[(rows.flags & int(Flag.TIME_SUSPECT)) == 0]
        detection, events = self.detector.detect(memory.detection, believable, memory.registry)
        return replace(memory, quality=quality, detection=detection), rows, events
