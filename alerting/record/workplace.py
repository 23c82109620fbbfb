"""Records of the inspectors' workplace: saved filters of an account, and hand-overs between shifts.

Every method opens a connection, because calls are few, and raises psycopg.Error if the database does not answer.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from alerting.record.inspector_session import open_session
from alerting.rows import fetch_all
from alerting.sql import load_queries

_QUERIES = load_queries(Path(__file__).with_suffix(".sql"))


class SavedFilter(Struct, frozen=True, kw_only=True):
    """A selection of the inbox under a name; `query` is that of its address."""

    name: str
    query: str


class Handover(Struct, frozen=True, kw_only=True):
    """One hand-over of the duty: from the author to the successor, in these areas, with these plumes open."""

    areas: Sequence[str]
    author: str
    successor: str
    text: str
    plumes: Sequence[str]
    written_at: datetime


class WorkplaceStore:
    """The records in the database `dsn`."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    async def save_filter(self, account: str, name: str, query: str) -> bool:
        """Store or replace a filter; False if the account has fifty others."""
        async with open_session(self._dsn) as connection:
            values = {"account": account, "name": name, "query": query}
            return (await connection.execute(_QUERIES["save_filter"], values)).rowcount > 0

    async def delete_filter(self, account: str, name: str) -> None:
        """Remove a filter."""
        async with open_session(self._dsn) as connection:
            await connection.execute(_QUERIES["delete_filter"], {"account": account, "name": name})

    async def add_handover(
        self, areas: Sequence[str], author: str, successor: str, text: str, plumes: Sequence[str]
    ) -> None:
        """Store a hand-over; it is never changed."""
        values = {
            "areas": list(areas),
            "author": author,
            "successor": successor,
            "text": text,
            "plumes": list(plumes),
        }
        async with open_session(self._dsn) as connection:
            await connection.execute(_QUERIES["insert_handover"], values)

    async def list_handovers(self, areas: Sequence[str] | None) -> list[Handover]:
        """Return the ten newest hand-overs that concern one of these areas (None: all)."""
        values = {"areas": None if areas is None else list(areas)}
        async with open_session(self._dsn) as connection:
            return await fetch_all(connection, Handover, _QUERIES["select_handovers"], values)
