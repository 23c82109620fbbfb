"""What a gateway knew, about hourly: from there an event is found again, and a repaired gap is detected on."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from edge_agent.wire import Topic, TopicKind
from gateway.decoding.decode import Payload
from gateway.detection.analyzer import Analyzer, AnalyzerState
from gateway.model.registry import Registry
from gateway.model.timestamps import from_ms
from gateway.store.connection import QUERIES, Transaction


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What was known before batch `before`: slot -> state."""

    before: int
    quality: Mapping[int, bytes]
    detection: Mapping[int, bytes]


async def save_detector(tx: Transaction, analyzer: Analyzer) -> None:
    """Keep the detector's parameters under its name."""
    values = {"name": analyzer.detector.name, "parameters": analyzer.detector.parameters_json}
    await tx.execute(QUERIES["insert_detector"], values)


async def save_checkpoint(
    tx: Transaction, analyzer: Analyzer, state: AnalyzerState, before: int, areas: list[str]
) -> None:
    """Keep what is known before this batch, and thin out what is old."""
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
) -> tuple[int, AnalyzerState] | None:
    """The newest checkpoint of the area that knew neither this batch nor readings from `since` on: (before, memory)."""
    values = {"detector": analyzer.detector.name, "area": area, "batch": batch, "since": since}
    row = await (await tx.execute(QUERIES["select_checkpoint_before"], values)).fetchone()
    if row is None:
        return None
    next_batch, ids, quality, detection = row
    return int(next_batch), analyzer.unpack(registry, ids, quality, detection)


async def load_payloads(
    tx: Transaction, query: str, values: Mapping[str, Any], registry: Registry
) -> list[tuple[int, Payload]]:
    """(batch id, the signed bytes as they came) of a query for batches."""
    rows = await (await tx.execute(QUERIES[query], values)).fetchall()
    return [(int(id_), payload_from_row(registry, *batch)) for id_, *batch in rows]


def payload_from_row(registry: Registry, node: str, body: bytes | None, received_at: datetime, late: bool) -> Payload:  # noqa: FBT001 - a row
    """A stored batch as it came in. Of a node that the registry does not know nothing can be decoded."""
    enrolled_node = registry.nodes.get(node)
    topic = str(Topic(area=enrolled_node.area if enrolled_node else "-", node=node, kind=TopicKind.READINGS))
    return Payload(topic=topic, body=bytes(body or b""), received_at=received_at, replayed=late)


async def load_registry_at(tx: Transaction, registry: Registry, at: datetime) -> Registry:
    """The registry without the datastreams that came later."""
    existing_ids = {
        row[0] for row in await (await tx.execute(QUERIES["select_datastreams_until"], {"until": at})).fetchall()
    }
    existing = [d for d in registry.datastreams if d.id in existing_ids]
    streams = [replace(d, slot=slot) for slot, d in enumerate(existing)]
    return replace(registry, datastreams=streams, slots={(d.node, d.observed_property): d.slot for d in streams})
