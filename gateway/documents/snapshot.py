"""The database as of one moment: everything in a document is read in one transaction that only reads."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar

import psycopg
from psycopg.rows import TupleRow, kwargs_row

from alerting.errors import one_line
from gateway.api.data.loading import QUERIES as API_QUERIES
from gateway.documents.errors import DocumentError
from gateway.errors import database_unavailable

T = TypeVar("T")

_ROWS_AT_ONCE = 500
_OPTIONS = "-c statement_timeout=60000 -c timezone=UTC -c jit=off"


class Snapshot:
    """Runs named queries in one transaction: those of the API, and `queries` of the document."""

    def __init__(self, connection: psycopg.AsyncConnection, queries: Mapping[str, str]) -> None:
        self.connection, self._queries = connection, {**API_QUERIES, **queries}

    async def fetch(
        self, make_row: Callable[..., T], query: str, values: Mapping[str, object] | None = None
    ) -> list[T]:
        """Return every row of a named query, as `make_row(**columns)`."""
        cursor = self.connection.cursor(binary=True, row_factory=kwargs_row(make_row))
        return await (await cursor.execute(self._queries[query], values)).fetchall()

    async def iterate(
        self, make_row: Callable[..., T], query: str, values: Mapping[str, object] | None = None
    ) -> AsyncIterator[T]:
        """Yield the rows of a named query; some hundred are in memory at a time."""
        async with self.connection.cursor(query, row_factory=kwargs_row(make_row)) as cursor:
            cursor.itersize = _ROWS_AT_ONCE
            async for row in await cursor.execute(self._queries[query], values, binary=True):
                yield row

    async def fetch_rows(self, query: str, values: Mapping[str, object] | None = None) -> list[TupleRow]:
        """Return every row of a named query as a tuple, for readings."""
        return await (await self.connection.execute(self._queries[query], values, binary=True)).fetchall()


@asynccontextmanager
async def open_snapshot(dsn: str, queries: Mapping[str, str]) -> AsyncIterator[Snapshot]:
    """Open a transaction that only reads. Raises StartError if the database is away, DocumentError if a query fails."""
    try:
        connection = await psycopg.AsyncConnection.connect(
            dsn, connect_timeout=5, application_name="piekwacht document", options=_OPTIONS
        )
    except psycopg.Error as error:
        raise database_unavailable(error) from None
    async with connection:
        await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        await connection.set_read_only(True)
        try:
            yield Snapshot(connection, queries)
        except psycopg.Error as error:
            raise DocumentError(f"the stored data cannot be read: {one_line(error)}") from None
