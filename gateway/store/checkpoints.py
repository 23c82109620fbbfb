"""What a gateway knew, about hourly: from there an event is found again, and a repaired gap is detected on."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from edge_agent.wire import Kind, Topic
from gateway.decode import Payload
from gateway.registry import Registry
from gateway.senses import Memory, Senses
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
    slots = list(range(len(memory.registry.datastreams)))
    newest = int(memory.detection.streams["at"].max(initial=0))
    await tx.execute(
        QUERIES["keep_checkpoint"],
        {
            "detector": senses.detector.name,
            "areas": areas,
            "before": before,
            "newest": datetime.fromtimestamp(newest / 1000, UTC),
            "ids": [d.id for d in memory.registry.datastreams],
            "quality": zlib.compress(b"".join(senses.flagger.dump(memory.quality, slots))),
            "detection": zlib.compress(b"".join(senses.detector.dump(memory.detection, slots))),
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
    slots = {d.id: d.slot for d in registry.datastreams}
    return int(before), Memory(
        registry=registry,
        quality=senses.flagger.load(registry, _parted(quality, ids, slots)),
        detection=senses.detector.load(registry, _parted(detection, ids, slots)),
    )


def _parted(compressed: bytes, ids: list[int], slots: Mapping[int, int]) -> dict[int, bytes]:
    whole = zlib.decompress(compressed)
    size = len(whole) // max(1, len(ids))
    return {slots[id_]: whole[i * size : (i + 1) * size] for i, id_ in enumerate(ids) if id_ in slots}


async def payloads(
    tx: Transaction, query: str, values: Mapping[str, Any], registry: Registry
) -> list[tuple[int, Payload]]:
    """(batch id, the signed bytes as they came) of a query for batches."""
    rows = await (await tx.execute(QUERIES[query], values)).fetchall()
    found = []
    for id_, node, body, received_at, hist in rows:
        topic = str(Topic(area=registry.nodes[node].area, node=node, kind=Kind.READINGS))
        found.append((int(id_), Payload(topic=topic, body=bytes(body), received_at=received_at, replayed=hist)))
    return found


async def as_it_was(tx: Transaction, registry: Registry, at: datetime) -> Registry:
    """The registry without the datastreams that came later."""
    known = {row[0] for row in await (await tx.execute(QUERIES["datastreams_until"], {"until": at})).fetchall()}
    kept = [d for d in registry.datastreams if d.id in known]
    streams = [replace(d, slot=slot) for slot, d in enumerate(kept)]
    return replace(registry, datastreams=streams, slots={(d.node, d.observed_property): d.slot for d in streams})
