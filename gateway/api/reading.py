"""The API's way to the database: a small pool of read-only connections."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import HTTPException
from psycopg import OperationalError
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from alerting.queries import load

_QUERIES = load(Path(__file__).with_name("queries.sql"))


class Reader:
    """Runs named queries. A database that is away is 503, never a hanging request."""

    def __init__(self, dsn: str) -> None:
        self._pool = AsyncConnectionPool(
            dsn,
            min_size=1,
            max_size=8,
            timeout=5,
            open=False,
            check=AsyncConnectionPool.check_connection,
            kwargs={"autocommit": True, "application_name": "piekwacht api", "options": _OPTIONS},
        )

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["Reader"]:
        """Connections while the block runs."""
        async with self._pool:
            yield self

    async def rows(self, query: str, values: Mapping[str, Any] | None = None) -> list[TupleRow]:
        """Every row of a named query."""
        try:
            async with self._pool.connection() as connection:
                return await (await connection.execute(_QUERIES[query], values)).fetchall()
        except (OperationalError, PoolTimeout):
            raise HTTPException(503, "the database does not answer; try again", {"Retry-After": "5"}) from None


_OPTIONS = "-c default_transaction_read_only=on -c statement_timeout=5000"
