"""The API's access to PostgreSQL: a small pool of read-only connections and the named queries in queries.sql.

Routes and pages call it. If the database is away or a query takes longer than 5 s, the caller gets an HTTPException
with status 503, never a request that hangs.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar

from fastapi import HTTPException
from psycopg import AsyncConnection, DataError, OperationalError
from psycopg.errors import QueryCanceled
from psycopg.rows import TupleRow, kwargs_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from alerting.errors import one_line
from alerting.log import get_logger
from gateway.api.data.loading import QUERIES

_LOG = get_logger("gateway.api")
T = TypeVar("T")
QueryValues = Mapping[str, object]

_OPTIONS = "-c default_transaction_read_only=on -c statement_timeout=5000 -c timezone=UTC -c jit=off"
_FETCH_SIZE = 500
_SLOTS = 3  # of eight connections, for questions whose cost their sender decides
_SLOT_TIMEOUT = 5.0  # s


class QuerySource(Protocol):
    """Runs named queries: the database as it is, or as of one moment."""

    async def fetch(self, make_row: Callable[..., T], query: str, values: QueryValues | None = None) -> list[T]:
        """Every row of a named query, as `make_row(**columns)`."""

    async def fetch_rows(self, query: str, values: QueryValues | None = None) -> list[TupleRow]:
        """Every row of a named query as a tuple."""


class Database:
    """Runs named queries. Raises HTTPException 503 if the database is away."""

    def __init__(self, dsn: str) -> None:
        self._slots = asyncio.Semaphore(_SLOTS)
        self._pool = AsyncConnectionPool(
            dsn,
            min_size=2,
            max_size=8,
            timeout=5,
            open=False,
            check=AsyncConnectionPool.check_connection,
            kwargs={"autocommit": True, "application_name": "piekwacht api", "options": _OPTIONS},
        )

    @asynccontextmanager
    async def open_pool(self) -> AsyncIterator["Database"]:
        """Keep the connections open while the block runs."""
        async with self._pool:
            yield self

    async def fetch(self, make_row: Callable[..., T], query: str, values: QueryValues | None = None) -> list[T]:
        """Every row of a named query, as `make_row(**columns)`: the columns are named as its parameters."""
        async with self.connection() as connection:
            cursor = connection.cursor(binary=True, row_factory=kwargs_row(make_row))
            return await (await cursor.execute(QUERIES[query], values)).fetchall()

    async def fetch_rows(self, query: str, values: QueryValues | None = None) -> list[TupleRow]:
        """Every row of a named query as a tuple, for queries with many thousands of rows."""
        async with self.connection() as connection:
            return await (await connection.execute(QUERIES[query], values, binary=True)).fetchall()

    async def stream_rows(self, query: str) -> AsyncIterator[list[TupleRow]]:
        """The rows of a large query, 500 at a time, so that other requests are served in between."""
        async with self.connection() as connection, connection.transaction():
            await connection.execute("SET LOCAL statement_timeout = 60000")
            async with connection.cursor("batches", binary=True) as cursor:
                await cursor.execute(QUERIES[query])
                while rows := await cursor.fetchmany(_FETCH_SIZE):
                    yield rows

    async def fetch_costly_rows(self, query: str, values: QueryValues | None = None) -> list[TupleRow]:
        """As `fetch_rows`, in one of the few connections for costly questions."""
        async with self.costly_connection() as connection:
            return await (await connection.execute(QUERIES[query], values, binary=True)).fetchall()

    @asynccontextmanager
    async def costly_connection(self) -> AsyncIterator[AsyncConnection]:
        """As `connection`, but three at a time: pages and events never wait for free questions of strangers.

        Raises HTTPException 503 if none is free within 5 s.
        """
        try:
            async with asyncio.timeout(_SLOT_TIMEOUT):
                await self._slots.acquire()
        except TimeoutError:
            raise HTTPException(503, "too many large questions at once; try again", {"Retry-After": "5"}) from None
        try:
            async with self.connection() as connection:
                yield connection
        finally:
            self._slots.release()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """One connection of the pool; database errors become HTTPException 503, or 500 for a fault of a query.

        Parameters are checked before they reach a query, so a value that the database cannot compute with is never the
        client's mistake.
        """
        try:
            async with self._pool.connection() as connection:
                yield connection
        except QueryCanceled:
            raise HTTPException(503, "that took too long; ask for a shorter period") from None
        except (OperationalError, PoolTimeout):
            raise HTTPException(503, "the database does not answer; try again", {"Retry-After": "5"}) from None
        except DataError as error:
            _LOG.error("query failed", error=one_line(error))
            raise HTTPException(500, "the server could not compute the answer; its operator can see why") from None
