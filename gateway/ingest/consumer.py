"""From the broker to the pipeline, acknowledged after COMMIT or not at all.

What is not committed is not acknowledged, stays with the broker and comes again. The queue here is
bounded; nothing is ever discarded.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn

import psycopg

from edge_agent.wire import Desired, Kind, Malformed, Signer, StoredRanges, Topic, live_topic
from gateway import telemetry
from gateway.decoding.decode import Payload, Rejected
from gateway.decoding.rejection import Reason
from gateway.decoding.signature import signing
from gateway.errors import StartError
from gateway.ingest.desired_config import Wishes
from gateway.ingest.pipeline import ASIDE, Committed, Foreseen, Pipeline
from gateway.ingest.settings import IngestSettings
from gateway.mqtt.connection import BrokerAwayError, Link, linked
from gateway.mqtt.packets import Message
from gateway.mqtt.settings import BrokerSettings
from gateway.store import nodes
from gateway.store.connection import HeldError

_LOG = logging.getLogger(__name__)
_Word = tuple[str, bytes]  # topic, what is published there


def session_name(signer: Signer, areas: Sequence[str]) -> str:
    """Our session on the broker: the same after a restart, and not to be guessed by who would take it over."""
    secret = hashlib.sha256(signer.export().encode()).hexdigest()[:16]
    return "-".join(["piekwacht-gateway", *areas, secret])


class _DatabaseAwayError(Exception):  # never leaves this module
    pass


def _away(error: psycopg.Error) -> None:
    telemetry.FAILURES.labels("database").inc()
    _LOG.warning("database is away: %s", " ".join(str(error).split()))


@contextmanager
def _counted_as_connected() -> Iterator[None]:
    telemetry.CONNECTED.inc()
    try:
        yield
    finally:
        telemetry.CONNECTED.dec()


@dataclass(frozen=True, kw_only=True)
class _Taken:
    """A micro-batch, not yet acknowledged."""

    messages: Sequence[Message]
    payloads: Sequence[Payload]
    words: Sequence[nodes.Word]
    foreseen: Foreseen


class Ingest:
    """One broker session and one pipeline; comes back by itself when either side fails."""

    def __init__(
        self, settings: IngestSettings, broker: BrokerSettings, pipeline: Pipeline, *, met: bool = False
    ) -> None:
        self._settings, self._broker, self._pipeline = settings, broker, pipeline
        self._signer = settings.signer()
        self._signature = signing(self._signer.private.private_bytes_raw())
        self._chores_due = 0.0
        self._met = met  # whether the broker has ever answered

    async def run(self) -> None:
        """Until cancelled. StartError where the broker is not there at the start; later it is waited for.

        First the areas, then the broker: a second gateway for the same areas stands by without touching the
        session of the first, and continues it when that one dies or cannot reach its broker any more.
        """
        while True:
            try:
                await self._stand_by()
                await self._session()
            except _DatabaseAwayError:
                await self._database_is_back()
            except BrokerAwayError as error:
                await self._pipeline.release()
                if not self._met:
                    raise StartError(f"no broker at {self._broker}: {error}; check [broker] host and port") from None
                telemetry.FAILURES.labels("broker").inc()
                _LOG.warning("broker %s is away: %s", self._broker, error)
            await asyncio.sleep(self._settings.retry)

    async def _session(self) -> None:
        name = session_name(self._signer, self._settings.areas)
        async with linked(self._broker, name, most=_WINDOWS * self._settings.batches) as link:
            self._met = True
            areas = self._settings.areas or ["+"]
            await link.subscribe([f"pw/v1/{area}/+/{kind}" for area in areas for kind in _TAKEN])
            _LOG.info("taking in from %s", self._broker)
            wishes = Wishes(self._settings.areas)
            telling = asyncio.create_task(self._tell(link, [], Committed()))
            try:
                with _counted_as_connected():
                    async with aclosing(self._taken(link)) as micro_batches:
                        async for taken in micro_batches:
                            if taken is not None:
                                committed = await self._commit(taken)
                                await telling  # one after the other: the newest ranges are the ones that stay
                                telling = asyncio.create_task(self._tell(link, taken.messages, committed))
                            await self._do_chores(link, wishes)
            finally:
                telling.cancel()
                await asyncio.gather(telling, return_exceptions=True)

    async def _do_chores(self, link: Link, wishes: Wishes) -> None:
        """What operators want: nodes configured, payloads tried again. What fails waits for its next turn."""
        if time.monotonic() < self._chores_due:
            return
        self._chores_due = time.monotonic() + _CHORES
        try:
            while await self._pipeline.replay():
                _LOG.info("tried quarantined payloads again")
        except psycopg.Error as error:
            _away(error)
        for desired, area in wishes.new(self._pipeline.nodes):
            topic, word = self._signed(Topic(area=area, node=desired.node, kind=Kind.CONFIG), desired)
            await link.publish(topic, word, retain=True, sure=True)

    async def _taken(self, link: Link) -> AsyncGenerator[_Taken | None, None]:
        """Micro-batches; while one is committed the next is gathered, verified and examined. None: idle."""
        ready: asyncio.Queue[_Taken] = asyncio.Queue(1)
        taking = asyncio.create_task(self._take(link, ready))
        try:
            while not taking.done():
                waiting = asyncio.ensure_future(ready.get())
                await asyncio.wait({waiting, taking}, timeout=_CHORES, return_when=asyncio.FIRST_COMPLETED)
                if waiting.done():
                    ready.task_done()
                    yield waiting.result()
                else:
                    waiting.cancel()
                    yield None
            await taking  # it raises: it never returns
        finally:
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)

    async def _take(self, link: Link, ready: asyncio.Queue[_Taken]) -> NoReturn:
        foreseen: Foreseen | None = None
        while True:
            messages = await link.take(self._settings.batches, self._settings.window)
            telemetry.QUEUE.labels("ingest").set(len(link))
            payloads, words = _sort(messages)
            foreseen = await self._pipeline.foresee(payloads, after=foreseen)
            await ready.put(_Taken(messages=messages, payloads=payloads, words=words, foreseen=foreseen))
            if len(link) < self._settings.batches:  # what comes now can still join the next one, and waits less
                await ready.join()

    async def _commit(self, taken: _Taken) -> Committed:
        """Try until the database has it or patience ends; the ledger makes every repetition safe."""
        deadline = time.monotonic() + self._settings.patience
        while True:
            try:
                return await self._store(taken)
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                _away(error)
                if time.monotonic() > deadline:
                    raise _DatabaseAwayError from None
                await asyncio.sleep(self._settings.retry)

    async def _stand_by(self) -> None:
        """Wait, without a word to the broker, while another gateway writes for our areas."""
        while True:
            try:
                return await self._pipeline.ready()
            except HeldError as held:
                if not self._met:
                    _LOG.info("standing by: %s", held)
                self._met = True  # it has been here for a while: a broker that is away is waited for
            except (psycopg.OperationalError, psycopg.InterfaceError):
                return None  # what comes will have to wait, and the session says so
            await asyncio.sleep(self._settings.retry)

    async def _database_is_back(self) -> None:
        """Wait, disconnected from the broker: who cannot store takes nothing in, and no queue grows here."""
        while True:
            try:
                return await self._pipeline.ready()
            except HeldError:
                return None
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                _away(error)
                await asyncio.sleep(self._settings.retry)

    async def _store(self, taken: _Taken) -> Committed:
        """All at once; where the database refuses the whole, each payload goes alone and only the culprit stays out."""
        try:
            return await self._pipeline.process(taken.payloads, taken.words, taken.foreseen)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            raise
        except psycopg.Error:
            _LOG.exception("the database refused %d payloads; trying one by one", len(taken.payloads))
        whole = Committed()
        for payload in taken.payloads:
            one = await self._store_alone(payload)
            whole = Committed(stored=whole.stored + one.stored, live=whole.live + one.live)
        return whole

    async def _store_alone(self, payload: Payload) -> Committed:
        try:
            return await self._pipeline.process([payload])
        except (psycopg.OperationalError, psycopg.InterfaceError):
            raise
        except psycopg.Error as error:
            detail = " ".join(str(error).split())
            return await self._pipeline.refuse(Rejected(payload=payload, reason=Reason.UNSTORABLE, detail=detail))

    async def _tell(self, link: Link, messages: Sequence[Message], committed: Committed) -> None:
        """Tell the broker and nodes what they may forget, and viewers what is new.

        Losing this loses nothing: all of them ask again.
        """
        await asyncio.sleep(ASIDE)
        await link.acknowledge(messages)
        words, news = await asyncio.to_thread(self._worded, committed)
        await self._publish_stored(link, words)
        for topic, message in news:
            await link.publish(topic, message)

    async def _publish_stored(self, link: Link, words: Sequence[_Word]) -> None:
        for topic, word in words:
            await link.publish(topic, word, retain=True, sure=True)

    def _worded(self, committed: Committed) -> tuple[list[_Word], list[_Word]]:
        """Signed for nodes, and for viewers."""
        known = [(self._pipeline.nodes.get(ranges.node), ranges) for ranges in committed.stored]
        words = [self._signed(Topic(area=n.area, node=n.id, kind=Kind.STORED), ranges) for n, ranges in known if n]
        return words, [(live_topic(live.area), live.encode()) for live in committed.live]

    def _signed(self, topic: Topic, word: StoredRanges | Desired) -> _Word:
        return str(topic), self._signer.sign(word.encode(), self._signature)


_CHORES = 2.0  # seconds between looks at what operators want
_TAKEN = (Kind.READINGS, Kind.STATUS, Kind.HEALTH)
_WORDS = tuple(f"/{kind}" for kind in (Kind.STATUS, Kind.HEALTH))
_WINDOWS = 4  # micro-batches that may wait here, where the broker's own window is wider


def _sort(messages: Sequence[Message]) -> tuple[list[Payload], list[nodes.Word]]:
    """Readings, and what nodes say of themselves."""
    now = datetime.now(UTC)
    payloads, words = [], []
    for message in messages:
        topic = _word_topic(message)
        if topic is not None:
            words.append(nodes.Word(topic=topic, body=message.payload, said_at=now, retained=message.retained))
        else:
            payloads.append(Payload(topic=message.topic, body=message.payload, received_at=now))
    return payloads, words


def _word_topic(message: Message) -> Topic | None:
    """The topic of what a node says of itself; None for readings, and for what is nobody's topic."""
    if not message.topic.endswith(_WORDS):
        return None
    try:
        return Topic.parse(message.topic)
    except Malformed:
        return None
