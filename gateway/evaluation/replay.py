"""`piekwacht events replay ID`: detect a stored event again from the signed bytes and compare both.

From the last checkpoint before it, the same detector with the same parameters runs over the same batches in the same
order. Nothing of the stored event goes into it.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import psycopg

from gateway.decoding.decode import VerifiedBatch, decode_payload
from gateway.detection.analyzer import Analyzer
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.errors import StartError
from gateway.evaluation.event_repetition import EventRepetition, RepetitionError
from gateway.model.event import Event
from gateway.model.registry import Registry
from gateway.quality.flagger import Flagger
from gateway.store import checkpoints, stations
from gateway.store.batches import StoredBatch, load_batches_between
from gateway.store.connection import QUERIES, Transaction

_BATCH_LIMIT = 500
_COMMIT_MARGIN = timedelta(
    minutes=2
)  # a revision has the time at which its transaction began, its batches the time at which it ended


@dataclass(frozen=True, kw_only=True)
class StoredEvent:
    """A stored event with the data needed to detect it again."""

    event: Event
    area: str
    parameters: str
    opened_at: datetime
    changed_at: datetime


def run(dsn: str, event_id: str) -> int:
    """Print the stored and the replayed event; return 0 if they are equal, 1 if they differ."""
    stored_event, replayed_event = asyncio.run(_load_and_replay(dsn, event_id))
    is_equal = replayed_event is not None and _canonical_json(stored_event) == _canonical_json(replayed_event)
    print(f"stored {_to_text(stored_event)}")  # noqa: T201 - the command's own output
    print(f"found  {_to_text(replayed_event) if replayed_event else 'nothing'}")  # noqa: T201
    print("equal" if is_equal else "different")  # noqa: T201
    return 0 if is_equal else 1


async def _load_and_replay(dsn: str, event_id: str) -> tuple[Event, Event | None]:
    try:
        connection = await psycopg.AsyncConnection.connect(dsn, autocommit=True, connect_timeout=5)
    except psycopg.Error as error:
        raise StartError(f"no database: {' '.join(str(error).split())}; check [database] dsn") from None
    async with connection:
        stored_event = await _load_event(connection, event_id)
        settings = msgspec.json.decode(stored_event.parameters, type=DetectionSettings)
        analyzer = Analyzer(flagger=Flagger(), detector=Detector(settings))
        if analyzer.detector.name != stored_event.event.detector:
            raise RepetitionError(
                f"{event_id} was found by {stored_event.event.detector}; this version has {analyzer.detector.name}: "
                "install the version that found it"
            )
        registry = await stations.load_registry_at(
            connection, await stations.load_registry(connection), stored_event.changed_at
        )
        return stored_event.event, await _replay_event(connection, analyzer, registry, stored_event)


async def _load_event(tx: Transaction, event_id: str) -> StoredEvent:
    row = await (await tx.execute(QUERIES["select_event_for_replay"], {"id": event_id})).fetchone()
    if row is None:
        raise RepetitionError(f"no event {event_id}; `GET /api/v1/events` lists them")
    area, detector, body, changed_at, opened_at, late = row
    if late:
        raise RepetitionError(f"{event_id} was found when a gap was repaired; only events found live are replayed")
    parameters_row = await (await tx.execute(QUERIES["select_detector_parameters"], {"name": detector})).fetchone()
    if parameters_row is None:
        raise RepetitionError(f"the parameters of {detector} were not kept: {event_id} is older than this table")
    event = msgspec.json.decode(body, type=Event)
    return StoredEvent(event=event, area=area, parameters=parameters_row[0], opened_at=opened_at, changed_at=changed_at)


async def _replay_event(
    tx: Transaction, analyzer: Analyzer, registry: Registry, stored_event: StoredEvent
) -> Event | None:
    """Return the same revision of the event, or the newest one from the batches up to it."""
    first_batch_row = await (
        await tx.execute(QUERIES["select_first_batch_since"], {"at": stored_event.opened_at})
    ).fetchone()
    first_batch = int(first_batch_row[0]) if first_batch_row else 0
    checkpoint = await checkpoints.load_checkpoint(
        tx, analyzer, registry, stored_event.area, batch=first_batch or None, since=None
    )
    if checkpoint is None:
        raise RepetitionError(
            f"no checkpoint of {stored_event.area} before {stored_event.event.id}: it is older than what was kept"
        )
    next_batch, state = checkpoint
    event, until = stored_event.event, stored_event.changed_at + _COMMIT_MARGIN
    repetition = EventRepetition(analyzer, state, registry, event.id)
    while True:
        batches = await load_batches_between(tx, stored_event.area, next_batch, until, _BATCH_LIMIT)
        repetition.add(_decode_batches(batches, registry))
        if repetition.newest >= event.revision:
            break
        if len(batches) < _BATCH_LIMIT:
            if event.end is not None:
                repetition.end_without_data(event.end)
            break
        next_batch = batches[-1].id + 1
    revisions = [revision for revision in repetition.revisions if revision <= event.revision]
    return repetition.revisions[max(revisions)] if revisions else None


def _decode_batches(batches: list[StoredBatch], registry: Registry) -> list[VerifiedBatch]:
    decoded = [decode_payload(batch.to_payload(registry), registry) for batch in batches]
    rejection = next((batch for batch in decoded if not isinstance(batch, VerifiedBatch)), None)
    if rejection is not None:
        raise RepetitionError(f"a stored batch can no longer be read ({rejection.detail}): was a node's key changed?")
    return [batch for batch in decoded if isinstance(batch, VerifiedBatch)]


def _canonical_json(event: Event) -> bytes:
    """Return the event without its slot, which differs between processes."""
    return msgspec.json.encode(msgspec.structs.replace(event, datastream=0), order="deterministic")


def _to_text(event: Event) -> str:
    return _canonical_json(event).decode()
