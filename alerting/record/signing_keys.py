"""The keys that sign acknowledgement links: read by the delivery worker and by the acknowledgement page."""

from pathlib import Path

import psycopg
from msgspec import Struct

from alerting.rows import fetch_all
from alerting.sql import load_queries

_QUERIES = load_queries(Path(__file__).with_suffix(".sql"))


class _SigningKey(Struct, frozen=True, kw_only=True):
    id: int
    secret: bytes


async def select_signing_keys(connection: psycopg.AsyncConnection) -> dict[int, bytes]:
    """Key id -> secret, of the keys that are not retired. Raises psycopg.Error."""
    return {key.id: key.secret for key in await fetch_all(connection, _SigningKey, _QUERIES["select_signing_keys"])}
