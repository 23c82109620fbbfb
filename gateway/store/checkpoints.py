"""What a gateway knew, about hourly: from there an event is found again, and a repaired gap is detected on."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from edge_agent.wire import Kind, Topic
from gateway.decoding.decode import Payload
from gateway.detection.analyzer import Memory, Senses
from gateway.model.registry import Registry
from gateway.model.timestamps import moment
from gateway.store.connection import QUERIES, Transaction


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What was known before batch `before`: slot -> state."""

    before: int
    quality: Mapping[int, bytes]
    detection: Mapping[int, bytes]


async def introduce(tx: Transaction, senses: Senses) -> None:
    """Keep the detector's parameters under its name."""
    values = {"name": senses.detector.name, "parameters": senses.detector.parameters_text}
    await tx.execute(QUERIES["know_detector"], values)


async def keep(tx: Transaction, senses: Senses, memory: Memory, before: int, areas: list[str]) -> None:
    """Keep what is known before this batch, and thin out what is old."""
    newest = int(memory.detection.streams["at"].max(initial=0))
    await tx.execute(
        QUERIES["keep_checkpoint"],
        {
            "detector": senses.detector.name,
            "areas": areas,
            "before": before,
            "newest": moment(newest),
            **senses.pack(memory),
        },
    )
    await tx.execute(QUERIES["thin_checkpoints"])


async def last(
    tx: Transaction, senses: Senses, registry: Registry, area: str, *, batch: int | None, since: datetime | None
) -> tuple[int, Memory] | None:
    """The newest checkpoint of the area that knew neither this batch nor readings from `since` on: (before, memory)."""
    values = {"detector": senses.detector.name, "area": area, "batch": batch, "since": since}
    row = await (await tx.execute(QUERIES["checkpoint_before"], values)).fetchone()
    if row is None:
        return None
    before, ids, quality, detection = row
    return int(before), senses.unpack(registry, ids, quality, detection)


async def payloads(
    tx: Transaction, query: str, values: Mapping[str, Any], registry: Registry
) -> list[tuple[int, Payload]]:
    """(batch id, the signed bytes as they came) of a query for batches."""
    rows = await (await tx.execute(QUERIES[query], values)).fetchall()
    return [(int(id_), stored(registry, *batch)) for id_, *batch in rows]


def stored(registry: Registry, node: str, body: bytes | None, received_at: datetime, late: bool) -> Payload:  # noqa: FBT001 - a row
    """A stored batch as it came in. Of a node that the registry does not know nothing can be decoded."""
    known = registry.nodes.get(node)
    topic = str(Topic(area=known.area if known else "-", node=node, kind=Kind.READINGS))
    return Payload(topic=topic, body=bytes(body or b""), received_at=received_at, replayed=late)


async def as_it_was(tx: Transaction, registry: Registry, at: datetime) -> Registry:
    """The registry without the datastreams that came later."""
    known = {row[0] for row in await (await tx.execute(QUERIES["datastreams_until"], {"until": at})).fetchall()}
    kept = [d for d in registry.datastreams if d.id in known]
    streams = [replace(d, slot=slot) for slot, d in enumerate(kept)]
    return replace(registry, datastreams=streams, slots={(d.node, d.observed_property): d.slot for d in streams})
