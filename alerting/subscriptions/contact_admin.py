"""Contacts as an operator sees them: count all, and erase one on request. psycopg.Error passes through."""

from pathlib import Path

import psycopg
from msgspec import Struct

from alerting.rows import fetch_all
from alerting.sql import load_queries
from alerting.subscriptions.notice_lease import QueueState, fetch_queue_state

_QUERIES = load_queries(Path(__file__).with_name("contact_store.sql"))


class ContactCounts(Struct, frozen=True, kw_only=True):
    """Contacts of one kind."""

    kind: str
    confirmed: int
    waiting: int
    paused: int


async def count_contacts(dsn: str) -> tuple[list[ContactCounts], QueueState]:
    """Return the contacts of each kind, and the notices that wait."""
    async with await psycopg.AsyncConnection.connect(dsn, connect_timeout=5) as connection:
        counts = await fetch_all(connection, ContactCounts, _QUERIES["count_contacts"])
        return counts, await fetch_queue_state(connection)


async def erase_address(dsn: str, address: str) -> bool:
    """Erase the contact with this address; return whether there was one."""
    async with await psycopg.AsyncConnection.connect(dsn, connect_timeout=5) as connection:
        cursor = await connection.execute(_QUERIES["erase_address"], {"address": address.strip()})
        return cursor.rowcount > 0
