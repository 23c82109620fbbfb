"""One database session for one call of an inspector: calls are few, so each opens a separate connection."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg


@asynccontextmanager
async def open_session(dsn: str) -> AsyncIterator[psycopg.AsyncConnection]:
    """Open a session whose block is one transaction; a statement takes 5 s at most."""
    async with await psycopg.AsyncConnection.connect(
        dsn, connect_timeout=5, application_name="piekwacht inspector", options="-c statement_timeout=5000"
    ) as connection:
        yield connection
