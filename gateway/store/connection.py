"""Connections to the database: one-off (`connect`), exclusive (`open_exclusive`), and the ingest's own (`Store`).

`Store` is not a pool: a pool may stop reconnecting (psycopg#370, #438, #1315), and one writer needs one
connection. A failed transaction leaves nothing behind, and the caller runs it again. The ledger makes that
safe even if the outcome of a COMMIT is unknown.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg.rows import class_row, scalar_row

from alerting.errors import one_line
from alerting.sql import load_queries
from gateway.errors import StartError, database_unavailable

QUERIES = load_queries(Path(__file__).with_name("queries.sql"))

Transaction = psycopg.AsyncConnection
T = TypeVar("T")
Values = Mapping[str, Any]

_CLOSE_TIMEOUT = 1.0  # s
_SEND_BUFFER = 4 << 20  # bytes sent to the database: a micro-batch


class LockHeldError(psycopg.OperationalError):
    """Another process holds one of our advisory locks: wait for its end, as for an unavailable database."""


def connect(dsn: str) -> psycopg.Connection:
    """Connect for a command. Raises StartError with a message of one line."""
    try:
        return psycopg.connect(dsn, autocommit=True, connect_timeout=10)
    except psycopg.OperationalError as error:
        raise database_unavailable(error) from None
    except psycopg.ProgrammingError as error:
        raise StartError(f"the DSN cannot be read: {one_line(error)}; check [database] dsn") from None


async def open_exclusive(
    dsn: str, name: str, lock_query: str, values: Values | None = None, *, conflict: str = "another process runs it"
) -> psycopg.AsyncConnection:
    """Connect and take the advisory locks of `lock_query`, which returns whether it got all of them.

    `name` is the connection's application_name. Raises psycopg.OperationalError if the database is
    unavailable, LockHeldError with the text `conflict` if another session holds a lock.
    """
    connection = await psycopg.AsyncConnection.connect(dsn, autocommit=True, connect_timeout=5, application_name=name)
    try:
        await connection.execute(QUERIES["set_keepalives"])
        locked = await fetch_scalar(connection, lock_query, values)
    except BaseException:  # also if this task is cancelled meanwhile
        await connection.close()
        raise
    if not locked:
        await connection.close()
        raise LockHeldError(conflict)
    return connection


async def fetch_all(tx: Transaction, kind: type[T], query: str, values: Values | None = None) -> list[T]:
    """Return each row as a `kind`: the query's column names are its field names."""
    async with tx.cursor(row_factory=class_row(kind)) as cursor:
        return await (await cursor.execute(query, values)).fetchall()


async def fetch_one(tx: Transaction, kind: type[T], query: str, values: Values | None = None) -> T | None:
    """Return the first row as a `kind`, or None."""
    async with tx.cursor(row_factory=class_row(kind)) as cursor:
        return await (await cursor.execute(query, values)).fetchone()


async def fetch_scalar(tx: Transaction, query: str, values: Values | None = None) -> Any:  # noqa: ANN401 - the column's type
    """Return the first column of the first row, or None."""
    async with tx.cursor(row_factory=scalar_row) as cursor:
        return await (await cursor.execute(query, values)).fetchone()


class Store:
    """The ingest's connection, opened when needed, with the advisory locks of the areas that it writes for."""

    def __init__(self, dsn: str, *, areas: Sequence[str] = ("*",), name: str = "piekwacht gateway") -> None:
        """`name` is the connection's application_name."""
        self._dsn, self._areas, self._name = dsn, list(areas), name
        self._connection: psycopg.AsyncConnection | None = None

    @property
    def areas(self) -> Sequence[str]:
        """Areas whose topics this store writes; "*" stands for all areas."""
        return self._areas

    async def ensure_connection(self) -> psycopg.AsyncConnection:
        """Return the live connection; reconnect if it broke.

        Raises psycopg.OperationalError while the database is unavailable, LockHeldError while another gateway
        still writes for one of our areas.
        """
        if self._connection is None or self._connection.closed:
            connection = await open_exclusive(
                self._dsn,
                self._name,
                QUERIES["lock_areas"],
                {"areas": self._areas},
                conflict=f"another gateway writes for {', '.join(self._areas)}",
            )
            _enlarge_send_buffer(connection)
            self._connection = connection
        return self._connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Run a transaction; any error rolls it back. A lost connection is closed."""
        connection = await self.ensure_connection()
        try:
            async with connection.transaction():
                yield connection
        except psycopg.OperationalError:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the connection in any state, and release its locks."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            # the next writer need not wait until the server notices that this connection is gone
            with suppress(psycopg.Error, TimeoutError):
                async with asyncio.timeout(_CLOSE_TIMEOUT):
                    await connection.execute(QUERIES["unlock_areas"])
        finally:
            with suppress(psycopg.Error):
                await connection.close()


def _enlarge_send_buffer(connection: psycopg.AsyncConnection) -> None:
    """Enlarge the send buffer of a Unix socket, so that the database works on a COPY while we do other work.

    The kernel limits the size (`net.core.wmem_max`). TCP sizes its buffer by itself.
    """
    with socket.socket(fileno=os.dup(connection.fileno())) as connection_socket:
        if connection_socket.family == socket.AF_UNIX:
            connection_socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
