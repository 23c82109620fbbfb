"""Where the gateway leaves alerts, inside the transaction that stores their events."""

from collections.abc import Sequence
from pathlib import Path

import psycopg
from msgspec import json

from alerting.alert import Alert
from alerting.sql import load_queries

_QUERIES = load_queries(Path(__file__).with_name("dispatch") / "queries.sql")


async def put_alerts(connection: psycopg.AsyncConnection, alerts: Sequence[Alert]) -> None:
    """Leave these alerts; the same revision of an event again changes nothing. Wakes the dispatcher at COMMIT."""
    if alerts:
        await connection.execute(
            _QUERIES["insert_alerts"],
            {
                "events": [a.event_id for a in alerts],
                "revisions": [a.revision for a in alerts],
                "alerts": [json.encode(a).decode() for a in alerts],
            },
        )
        await connection.execute(_QUERIES["notify_workers"])
