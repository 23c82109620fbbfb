"""`piekwacht events replay ID`: the event found again from the signed bytes, and held against what is stored.

From the last checkpoint before it, the same detector with the same parameters runs over the same batches in the same
order. Nothing of the stored event goes into it.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import psycopg

from gateway.decoding.decode import Payload, Verified, decode, place
from gateway.detection.analyzer import Memory, Senses
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.errors import GatewayError, StartError
from gateway.model.event import Event
from gateway.model.registry import Registry
from gateway.quality.flagger import Flagger
from gateway.store import checkpoints, stations
from gateway.store.connection import QUERIES, Transaction

_BATCHES = 500
_COMMITTED = timedelta(minutes=2)  # a revision is stamped when its transaction begins, its batches when it ends


class ReplayError(GatewayError):
    """The event cannot be found again; the message says what is missing."""


@dataclass(frozen=True, kw_only=True)
class Story:
    """A stored event with what is needed to find it again."""

    event: Event
    area: str
    parameters: str
    opened_at: datetime
    changed_at: datetime


def run(dsn: str, id_: str) -> int:
    """Print the stored and the found event; 0 where they are equal, 1 where they differ."""
    stored, found = asyncio.run(_replay(dsn, id_))
    same = found is not None and _facts(stored) == _facts(found)
    print(f"stored {_text(stored)}")  # noqa: T201 - the command's own output
    print(f"found  {_text(found) if found else 'nothing'}")  # noqa: T201
    print("equal" if same else "different")  # noqa: T201
    return 0 if same else 1


async def _replay(dsn: str, id_: str) -> tuple[Event, Event | None]:
    try:
        connection = await psycopg.AsyncConnection.connect(dsn, autocommit=True, connect_timeout=5)
    except psycopg.Error as error:
        raise StartError(f"no database: {' '.join(str(error).split())}; check [database] dsn") from None
    async with connection:
        story = await _story(connection, id_)
        settings = msgspec.json.decode(story.parameters, type=DetectionSettings)
        senses = Senses(flagger=Flagger(), detector=Detector(settings))
        if senses.detector.name != story.event.detector:
            raise ReplayError(
                f"{id_} was found by {story.event.detector}; this version has {senses.detector.name}: "
                "install the version that found it"
            )
        registry = await checkpoints.as_it_was(connection, await stations.load(connection), story.changed_at)
        return story.event, await _found(connection, senses, registry, story)


async def _story(tx: Transaction, id_: str) -> Story:
    row = await (await tx.execute(QUERIES["event_story"], {"id": id_})).fetchone()
    if row is None:
        raise ReplayError(f"no event {id_}; `GET /v1/events` lists them")
    area, detector, body, changed_at, opened_at, late = row
    if late:
        raise ReplayError(f"{id_} was found when a gap was repaired; only events found live are replayed")
    known = await (await tx.execute(QUERIES["detector_parameters"], {"name": detector})).fetchone()
    if known is None:
        raise ReplayError(f"the parameters of {detector} were not kept: {id_} is older than this table")
    event = msgspec.json.decode(body, type=Event)
    return Story(event=event, area=area, parameters=known[0], opened_at=opened_at, changed_at=changed_at)


async def _found(tx: Transaction, senses: Senses, registry: Registry, story: Story) -> Event | None:
    """The same revision of the event, or the newest that comes of the batches up to it."""
    opening = await (await tx.execute(QUERIES["first_batch_since"], {"at": story.opened_at})).fetchone()
    first = int(opening[0]) if opening else 0
    saved = await checkpoints.last(tx, senses, registry, story.area, batch=first or None, since=None)
    if saved is None:
        raise ReplayError(f"no checkpoint of {story.area} before {story.event.id}: it is older than what was kept")
    before, memory = saved
    newest = None
    while True:
        values = {"area": story.area, "first": before, "until": story.changed_at + _COMMITTED, "limit": _BATCHES}
        stored = await checkpoints.payloads(tx, "batches_between", values, registry)
        memory, event = _examined(senses, memory, registry, stored, story)
        newest = event or newest
        if len(stored) < _BATCHES or (newest and newest.revision >= story.event.revision):
            return newest
        before = stored[-1][0] + 1


def _examined(
    senses: Senses, memory: Memory, registry: Registry, stored: list[tuple[int, Payload]], story: Story
) -> tuple[Memory, Event | None]:
    read = [decode(payload, registry) for _, payload in stored]
    refused = next((one for one in read if not isinstance(one, Verified)), None)
    if refused is not None:
        raise ReplayError(f"a stored batch can no longer be read ({refused.detail}): was a node's key changed?")
    rows = place([one for one in read if isinstance(one, Verified)], registry)
    memory, _, events = senses.examine(memory, rows)
    mine = [e for e in events if e.id == story.event.id and e.revision <= story.event.revision]
    return memory, mine[-1] if mine else None


def _facts(event: Event) -> bytes:
    """All of the event but the slot, which is this process's own."""
    return msgspec.json.encode(msgspec.structs.replace(event, datastream=0), order="deterministic")


def _text(event: Event) -> str:
    return _facts(event).decode()
