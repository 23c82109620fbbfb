"""The database as of one moment: everything in a dossier is read in one transaction that only reads."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import psycopg
from psycopg.rows import TupleRow, kwargs_row

from alerting.errors import one_line
from alerting.sql import load_queries
from gateway.api.data.loading import QUERIES as API_QUERIES
from gateway.dossier.errors import DossierError
from gateway.errors import database_unavailable

T = TypeVar("T")

_QUERIES = {**API_QUERIES, **load_queries(Path(__file__).with_name("queries.sql"))}
_OPTIONS = "-c statement_timeout=60000 -c timezone=UTC -c jit=off"


class Snapshot:
    """Runs named queries in one transaction."""

    def __init__(self, connection: psycopg.AsyncConnection) -> None:
        self.connection = connection

    async def fetch(
        self, make_row: Callable[..., T], query: str, values: Mapping[str, object] | None = None
    ) -> list[T]:
        """Return every row of a named query, as `make_row(**columns)`."""
        cursor = self.connection.cursor(binary=True, row_factory=kwargs_row(make_row))
        return await (await cursor.execute(_QUERIES[query], values)).fetchall()

    async def fetch_rows(self, query: str, values: Mapping[str, object] | None = None) -> list[TupleRow]:
        """Return every row of a named query as a tuple, for readings."""
        return await (await self.connection.execute(_QUERIES[query], values, binary=True)).fetchall()


@asynccontextmanager
async def open_snapshot(dsn: str) -> AsyncIterator[Snapshot]:
    """Open a transaction that only reads. Raises StartError if the database is away, DossierError if a query fails."""
    try:
        connection = await psycopg.AsyncConnection.connect(
            dsn, connect_timeout=5, application_name="piekwacht dossier", options=_OPTIONS
        )
    except psycopg.Error as error:
        raise database_unavailable(error) from None
    async with connection:
        await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        await connection.set_read_only(True)
        try:
            yield Snapshot(connection)
        except psycopg.Error as error:
            raise DossierError(f"the stored data cannot be read: {one_line(error)}") from None
