"""Checkpoints: the detection state before one batch, saved about hourly.

Replay detects a stored event again from a checkpoint, and late data continue from one.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from gateway.detection.analyzer import Analyzer, AnalyzerState
from gateway.model.registry import Registry
from gateway.model.timestamps import from_ms
from gateway.store.connection import QUERIES, Transaction, fetch_one


class LoadedCheckpoint(NamedTuple):
    """State before the batch `next_batch`."""

    next_batch: int
    state: AnalyzerState


@dataclass(frozen=True, kw_only=True)
class PackedCheckpoint:
    """State as it is stored: `ids` are the datastreams of both byte strings."""

    next_batch: int
    ids: list[int]
    quality: bytes
    detection: bytes

    def unpack(self, analyzer: Analyzer, registry: Registry) -> LoadedCheckpoint:
        """Return the state for the datastreams of `registry`."""
        state = analyzer.unpack(registry, self.ids, self.quality, self.detection)
        return LoadedCheckpoint(self.next_batch, state)


async def save_detector(tx: Transaction, analyzer: Analyzer) -> None:
    """Store the detector's parameters under its name."""
    values = {"name": analyzer.detector.name, "parameters": analyzer.detector.parameters_json}
    await tx.execute(QUERIES["insert_detector"], values)


async def save_checkpoint(
    tx: Transaction, analyzer: Analyzer, state: AnalyzerState, before: int, areas: list[str]
) -> None:
    """Store the state before batch `before`, and delete surplus old checkpoints."""
    newest_reading_ms = int(state.detection.streams["at"].max(initial=0))
    await tx.execute(
        QUERIES["insert_checkpoint"],
        {
            "detector": analyzer.detector.name,
            "areas": areas,
            "before": before,
            "newest": from_ms(newest_reading_ms),
            **analyzer.pack(state),
        },
    )
    await tx.execute(QUERIES["delete_surplus_checkpoints"])


async def load_checkpoint(
    tx: Transaction, analyzer: Analyzer, registry: Registry, area: str, *, batch: int | None, since: datetime | None
) -> LoadedCheckpoint | None:
    """Load the area's newest checkpoint from before this batch and without readings from `since` on."""
    values = {"detector": analyzer.detector.name, "area": area, "batch": batch, "since": since}
    packed = await fetch_one(tx, PackedCheckpoint, QUERIES["select_checkpoint_before"], values)
    return None if packed is None else packed.unpack(analyzer, registry)
