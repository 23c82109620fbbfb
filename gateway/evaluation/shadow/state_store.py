"""Where a shadow has come to and what it knows, in its own table, in the transaction of its events."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from alerting.sql import load
from gateway.decoding.decode import Payload
from gateway.detection.analyzer import Memory, Senses
from gateway.model.event import Event
from gateway.model.registry import Registry
from gateway.store import checkpoints
from gateway.store.connection import Transaction

QUERIES = load(Path(__file__).with_name("queries.sql"))


@dataclass(frozen=True, kw_only=True)
class Followed:
    """Batches in the order in which they were taken in, and when the first and the last were committed."""

    payloads: Sequence[Payload]
    last: int
    oldest: datetime
    newest: datetime


async def place(tx: Transaction, name: str, senses: Senses, registry: Registry) -> tuple[int, Memory] | None:
    """The next batch and what was known before it; None where this detector has not begun."""
    values = {"name": name, "detector": senses.detector.name}
    row = await (await tx.execute(QUERIES["place"], values)).fetchone()
    if row is None:
        return None
    next_, ids, quality, detection = row
    return int(next_), senses.unpack(registry, ids, quality, detection)


async def begin(tx: Transaction, at: datetime) -> int:
    """The first batch that was committed at that time or later."""
    row = await (await tx.execute(QUERIES["begin_after"], {"at": at})).fetchone()
    return int(row[0]) + 1 if row else 0


async def batches(tx: Transaction, registry: Registry, first: int, last: int, limit: int) -> Followed | None:
    """Stored batches first..last, at most `limit`; None where there are none."""
    values = {"first": first, "last": last, "limit": limit}
    rows = await (await tx.execute(QUERIES["follow"], values)).fetchall()
    if not rows:
        return None
    found = [checkpoints.stored(registry, *batch) for _, *batch, _ in rows]
    committed = [row[-1] for row in rows]
    return Followed(payloads=found, last=int(rows[-1][0]), oldest=min(committed), newest=max(committed))


async def keep(tx: Transaction, name: str, senses: Senses, memory: Memory, *, first: int, followed: Followed) -> None:
    """Keep what is known after these batches."""
    values = {
        "name": name,
        "detector": senses.detector.name,
        "first": first,
        "next": followed.last + 1,
        **senses.pack(memory, level=1),
        "newest": followed.newest,
        "oldest": followed.oldest,
    }
    await tx.execute(QUERIES["keep_place"], values)


async def save(tx: Transaction, name: str, events: Sequence[Event], committed: datetime) -> None:
    """Keep the newest revision of each event, and about when its batches were committed."""
    for event in events:
        values = {
            "shadow": name,
            "id": event.id,
            "revision": event.revision,
            "detector": event.detector,
            "change": event.change.value,
            "kind": event.kind.value,
            "station": event.station,
            "property": event.observed_property,
            "onset": event.onset,
            "end": event.end,
            "committed": committed,
            "body": msgspec.json.encode(event).decode(),
        }
        await tx.execute(QUERIES["save_event"], values)
