"""State of a shadow in the database, stored in the transaction of its events."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from alerting.sql import load_queries
from gateway.decoding.decode import Payload
from gateway.detection.analyzer import Analyzer, AnalyzerState
from gateway.model.event import Event
from gateway.model.registry import Registry
from gateway.store.batches import StoredBatch
from gateway.store.checkpoints import LoadedCheckpoint, PackedCheckpoint
from gateway.store.connection import Transaction, fetch_all, fetch_one, fetch_scalar

QUERIES = load_queries(Path(__file__).with_name("queries.sql"))


@dataclass(frozen=True, kw_only=True)
class BatchPage:
    """Batches in the order of their ids, with the commit times of the first and the last."""

    payloads: Sequence[Payload]
    last: int
    oldest: datetime
    newest: datetime


async def load_state(tx: Transaction, name: str, analyzer: Analyzer, registry: Registry) -> LoadedCheckpoint | None:
    """Return the next batch and the state before it; None if this detector has not begun."""
    values = {"name": name, "detector": analyzer.detector.name}
    packed = await fetch_one(tx, PackedCheckpoint, QUERIES["select_state"], values)
    return None if packed is None else packed.unpack(analyzer, registry)


async def find_first_batch(tx: Transaction, at: datetime) -> int:
    """Return the first batch that was committed at that time or later."""
    last_before: int | None = await fetch_scalar(tx, QUERIES["select_last_batch_before"], {"at": at})
    return 0 if last_before is None else last_before + 1


async def load_batches(tx: Transaction, registry: Registry, first: int, last: int, limit: int) -> BatchPage | None:
    """Return stored batches first..last, at most `limit`; None if there are none."""
    values = {"first": first, "last": last, "limit": limit}
    batches = await fetch_all(tx, StoredBatch, QUERIES["select_batches"], values)
    if not batches:
        return None
    payloads = [batch.to_payload(registry) for batch in batches]
    committed_at = [batch.committed_at for batch in batches]
    return BatchPage(payloads=payloads, last=batches[-1].id, oldest=min(committed_at), newest=max(committed_at))


async def save_state(
    tx: Transaction, name: str, analyzer: Analyzer, state: AnalyzerState, *, first: int, batch_page: BatchPage
) -> None:
    """Store the state after these batches."""
    values = {
        "name": name,
        "detector": analyzer.detector.name,
        "first": first,
        "next": batch_page.last + 1,
        **analyzer.pack(state, level=1),
        "newest": batch_page.newest,
        "oldest": batch_page.oldest,
    }
    await tx.execute(QUERIES["upsert_state"], values)


async def save_events(tx: Transaction, name: str, events: Sequence[Event], committed_at: datetime) -> None:
    """Store the newest revision of each event, with the commit times of its batches."""
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
            "committed": committed_at,
            "body": msgspec.json.encode(event).decode(),
        }
        await tx.execute(QUERIES["upsert_event"], values)
