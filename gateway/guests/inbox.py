"""The inbox of guests: messages that arrive together are committed together, and then their senders get an answer.

One connection and one task. While a group is committed, the next one gathers. If the database fails, every message of
the group raises InboxUnavailableError, and its sender gets no 200. Called by the API, by the MQTT receiver and by the
poller.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import msgspec
import psycopg
from msgspec import Struct
from psycopg.rows import class_row, scalar_row

from alerting.errors import one_line
from alerting.log import get_logger
from alerting.sql import load_queries
from gateway.guests.guest import Guest, GuestMessage

QUERIES = load_queries(Path(__file__).with_name("queries.sql"))
_LOG = get_logger("gateway.guests")
_MAX_GROUP = 500  # messages of one commit
_MAX_WAITING = 5_000  # messages; above it a sender gets status 503
_MAX_WAITING_BYTES = 64 << 20
_STATEMENT_TIMEOUT = 5_000  # ms
# A sender repeats the bytes of a message within seconds, if it got no answer. A sensor that measures the same again
# sends them later: a post after half a minute or more, ESPHome a value by MQTT after some seconds.
REPEAT_OF_POST = timedelta(seconds=20)
REPEAT_OF_PUBLICATION = timedelta(seconds=3)
REPEAT_BY_ID = timedelta(days=30)


class InboxUnavailableError(Exception):
    """The message is not stored: the database does not answer, or too many messages wait."""


class InboxMessage(Struct, frozen=True, kw_only=True):
    """A message to store. `key`: equal for repetitions; `repeat`: for how long an equal one is a repetition."""

    row: GuestMessage
    key: bytes
    repeat: timedelta


class _Waiting(Struct, frozen=True, kw_only=True):
    message: InboxMessage
    is_new: "asyncio.Future[bool]"


class GuestInbox:
    """Stores messages by group commit; `open` runs its task."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: psycopg.AsyncConnection | None = None
        self._waiting: list[_Waiting] = []
        self._waiting_bytes = 0
        self._arrived = asyncio.Event()

    @asynccontextmanager
    async def open(self) -> AsyncIterator["GuestInbox"]:
        """Store messages while the block runs."""
        task = asyncio.create_task(self._commit_groups(), name="guest inbox")
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self._fail(self._take_group(len(self._waiting)))
            if self._connection is not None:
                await self._connection.close()

    async def store(self, message: InboxMessage) -> bool:
        """Return once the message is committed: True if it is new, False if it is a repetition.

        Raises InboxUnavailableError, and then the message is not stored or its outcome is unknown.
        """
        size = len(message.row.body)
        if len(self._waiting) >= _MAX_WAITING or self._waiting_bytes + size > _MAX_WAITING_BYTES:
            raise InboxUnavailableError("too many messages wait for the database")
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(message=message, is_new=future))
        self._waiting_bytes += size
        self._arrived.set()
        return await future

    async def load_guests(self) -> list[Guest]:
        """Load the guests whose messages are received. Raises psycopg.Error."""
        async with await psycopg.AsyncConnection.connect(self._dsn, autocommit=True, connect_timeout=5) as connection:
            cursor = connection.cursor(row_factory=class_row(Guest))
            return await (await cursor.execute(QUERIES["select_guests"])).fetchall()

    async def _commit_groups(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                await self._commit_group(self._take_group(_MAX_GROUP))

    def _take_group(self, limit: int) -> list[_Waiting]:
        group, self._waiting = self._waiting[:limit], self._waiting[limit:]
        self._waiting_bytes -= sum(len(waiting.message.row.body) for waiting in group)
        return group

    async def _commit_group(self, group: Sequence[_Waiting]) -> None:
        try:
            new_ordinals = await self._insert([waiting.message for waiting in group])
        except psycopg.Error as error:
            _LOG.warning("messages of guests not stored", messages=len(group), error=one_line(error))
            if self._connection is not None:
                await self._connection.close()
                self._connection = None
            self._fail(group)
        except BaseException:
            self._fail(group)
            raise
        else:
            for ordinal, waiting in enumerate(group, 1):
                if not waiting.is_new.done():
                    waiting.is_new.set_result(ordinal in new_ordinals)

    def _fail(self, group: Sequence[_Waiting]) -> None:
        for waiting in group:
            if not waiting.is_new.done():
                waiting.is_new.set_exception(InboxUnavailableError("the database does not answer; try again"))

    async def _insert(self, messages: Sequence[InboxMessage]) -> set[int]:
        connection = await self._ensure_connection()
        cursor = connection.cursor(row_factory=scalar_row)
        await cursor.execute(QUERIES["store_messages"], _encode_columns(messages))
        return set(await cursor.fetchall())

    async def _ensure_connection(self) -> psycopg.AsyncConnection:
        if self._connection is None or self._connection.closed:
            self._connection = await psycopg.AsyncConnection.connect(
                self._dsn,
                autocommit=True,
                connect_timeout=5,
                application_name="piekwacht guests",
                options=f"-c statement_timeout={_STATEMENT_TIMEOUT}",
            )
        return self._connection


def _encode_columns(messages: Sequence[InboxMessage]) -> Mapping[str, object]:
    rows = [message.row for message in messages]
    return {
        "nodes": [row.node for row in rows],
        "keys": [message.key for message in messages],
        "seconds": [message.repeat.total_seconds() for message in messages],
        "received": [row.received_at for row in rows],
        "topics": [row.topic.replace("\x00", "\ufffd") for row in rows],
        "headers": [msgspec.json.encode(row.headers).decode().replace("\\u0000", "\\ufffd") for row in rows],
        "bodies": [row.body for row in rows],
    }
