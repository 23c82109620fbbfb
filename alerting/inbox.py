"""The inbox: the gateway puts alerts into it, inside the transaction that stores their events.

psycopg.Error passes through to the caller, whose transaction then fails as a whole.
"""

from collections.abc import Sequence
from pathlib import Path

import psycopg
from msgspec import json

from alerting.alert import Alert
from alerting.sql import load_queries

_QUERIES = load_queries(Path(__file__).with_suffix(".sql"))


async def put_alerts(connection: psycopg.AsyncConnection, alerts: Sequence[Alert]) -> None:
    """Insert these alerts; a revision that is there already changes nothing. Wakes the dispatcher at COMMIT."""
    if alerts:
        await connection.execute(
            _QUERIES["insert_alerts"],
            {
                "events": [a.event_id for a in alerts],
                "revisions": [a.revision for a in alerts],
                "alerts": [json.encode(a).decode() for a in alerts],
            },
        )
        await notify_workers(connection)


async def notify_workers(connection: psycopg.AsyncConnection) -> None:
    """Wake every worker of every dispatcher; inside a transaction, at its COMMIT."""
    await connection.execute(_QUERIES["notify_workers"])
