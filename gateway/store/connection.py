"""The ingest's own database connection, which comes back by itself.

Not a pool: a pool may stop reconnecting (psycopg#370, #438, #1315), and one writer needs one
connection. A failed transaction leaves nothing behind; the caller runs it again, which the ledger
makes safe even where the outcome of a COMMIT is unknown.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psycopg

from alerting.sql import load_queries
from gateway.errors import StartError
from gateway.store.migrate import SchemaError, migrate

QUERIES = load_queries(Path(__file__).with_name("queries.sql"))

Transaction = psycopg.AsyncConnection

_CLOSE_TIMEOUT = 1.0  # s
_SEND_BUFFER = 4 << 20  # B to the database: a micro-batch


class AreasLockedError(psycopg.OperationalError):
    """Another gateway writes for one of our areas: as good as a database that is away, until that one is gone."""


class Store:
    """One connection, made when needed, holding the advisory locks of the areas it writes for."""

    def __init__(self, dsn: str, *, areas: Sequence[str] = ("*",), name: str = "piekwacht gateway") -> None:
        """`name` is what the database calls our connection."""
        self._dsn, self._areas, self._name = dsn, list(areas), name
        self._connection: psycopg.AsyncConnection | None = None

    @property
    def areas(self) -> Sequence[str]:
        """Whose topics are written here; "*" stands for all."""
        return self._areas

    async def ensure_connection(self) -> psycopg.AsyncConnection:
        """The live connection, made anew where it broke.

        Raises psycopg.OperationalError while the database is away, HeldError while another gateway still
        writes for one of our areas.
        """
        if self._connection is None or self._connection.closed:
            connection = await psycopg.AsyncConnection.connect(
                self._dsn, autocommit=True, connect_timeout=5, application_name=self._name
            )
            try:
                await self._lock_areas(connection)
            except BaseException:  # also where we are cancelled here
                await connection.close()
                raise
            _enlarge_send_buffer(connection)
            self._connection = connection
        return self._connection

    async def _lock_areas(self, connection: psycopg.AsyncConnection) -> None:
        await connection.execute(QUERIES["set_keepalives"])
        cursor = await connection.execute(QUERIES["lock_areas"], {"areas": self._areas})
        row = await cursor.fetchone()
        if row is None or not row[0]:
            raise AreasLockedError(f"another gateway writes for {', '.join(self._areas)}")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """All or nothing; on any error nothing of it stays."""
        connection = await self.ensure_connection()
        try:
            async with connection.transaction():
                yield connection
        except psycopg.OperationalError:
            await self.close()
            raise

    async def close(self) -> None:
        """Drop the connection, whatever state it is in."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            with suppress(psycopg.Error, TimeoutError):  # who comes next need not wait until the server has noticed
                async with asyncio.timeout(_CLOSE_TIMEOUT):
                    await connection.execute(QUERIES["unlock_areas"])
        finally:
            with suppress(psycopg.Error):
                await connection.close()


def _enlarge_send_buffer(connection: psycopg.AsyncConnection) -> None:
    """Let the kernel take much of a COPY at once, so that the database has work while we have other things to do.

    How much is the kernel's own to say (`net.core.wmem_max`). TCP finds its size by itself.
    """
    with socket.socket(fileno=os.dup(connection.fileno())) as connection_socket:
        if connection_socket.family == socket.AF_UNIX:
            connection_socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)


def check_schema(dsn: str) -> None:
    """StartError where the database cannot be reached or has not the schema of this version."""
    try:
        pending = migrate(dsn, check=True)
    except SchemaError as error:
        raise StartError(str(error)) from None
    if pending:
        raise StartError(f"the database lacks {len(pending)} migration(s), first {pending[0]}: run `piekwacht migrate`")
