"""Database sessions of pages that a link in a mail opens, and the keys that sign these links.

Each request opens a connection, because requests are few; a forged link opens none. At most four are open at once:
somebody with one link could else take all that the database has. psycopg.Error passes through.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import psycopg

from alerting.record.signing_keys import select_signing_keys

_KEYS_MAX_AGE = 60.0  # seconds until the keys are read again
_MAX_CONNECTIONS = 4


class PageDatabase:
    """Sessions at `dsn`; `name` is shown by the database."""

    def __init__(self, dsn: str, name: str) -> None:
        self._dsn, self._name = dsn, name
        self._connections, self._keys_lock = asyncio.Semaphore(_MAX_CONNECTIONS), asyncio.Lock()
        self._keys: Mapping[int, bytes] = {}
        self._keys_read_at = datetime.min.replace(tzinfo=UTC)

    async def fetch_keys(self, now: datetime) -> Mapping[int, bytes]:
        """Return the signing keys by their id, at most a minute old."""
        async with self._keys_lock:  # many requests read them once
            if (now - self._keys_read_at).total_seconds() > _KEYS_MAX_AGE:
                async with self.connect() as connection:
                    self._keys = await select_signing_keys(connection)
                self._keys_read_at = now
        return self._keys

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[psycopg.AsyncConnection]:
        """Open a session whose block is one transaction."""
        async with (
            self._connections,
            await psycopg.AsyncConnection.connect(
                self._dsn,
                connect_timeout=5,
                application_name=self._name,
                options="-c statement_timeout=5000",
            ) as connection,
        ):
            yield connection
