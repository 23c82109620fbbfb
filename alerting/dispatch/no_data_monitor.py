"""Listens for silence: an area, a site's surroundings, a receiver whom nothing reaches; its alerts go to the inbox."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from msgspec import json
from psycopg.rows import TupleRow

from alerting import inbox
from alerting.alert import Alert
from alerting.decide.no_data import (
    NoDataSettings,
    StationContact,
    UnreachableReceiver,
    WatchedSite,
    end_network_alert,
    find_network_alerts,
)
from alerting.sql import load_queries

_QUERIES = load_queries(Path(__file__).with_name("queries.sql"))


async def check_network(settings: NoDataSettings, connection: psycopg.AsyncConnection) -> int:
    """Look once; returns how many silences began or ended. Several workers come to the same alerts."""
    now, timeout = datetime.now(UTC), timedelta(minutes=settings.after_minutes)
    async with connection.transaction():
        contact_rows = await _select(connection, "select_contacts")
        site_rows = await _select(connection, "select_sites")
        parameters = {"seconds": timeout.total_seconds(), "keeper": settings.receiver}
        unreachable_rows = await _select(connection, "select_unreachable", parameters)
        current_alerts = {
            alert.event_id: alert
            for alert in find_network_alerts(
                [
                    StationContact(station=r[0], area=r[1], latitude=r[2], longitude=r[3], last_heard=r[4])
                    for r in contact_rows
                ],
                [WatchedSite(name=r[0], area=r[1], latitude=r[2], longitude=r[3]) for r in site_rows],
                [UnreachableReceiver(receiver=r[0], since=r[1]) for r in unreachable_rows],
                now,
                timeout,
            )
        }
        open_alerts = {
            r[0]: (r[1], json.decode(r[2], type=Alert)) for r in await _select(connection, "select_open_network_alerts")
        }
        changes = [alert for event_id, alert in current_alerts.items() if event_id not in open_alerts]
        changes += [
            end_network_alert(alert, revision + 1, now)
            for event_id, (revision, alert) in open_alerts.items()
            if event_id not in current_alerts
        ]
        await inbox.put_alerts(connection, changes)
    return len(changes)


async def _select(
    connection: psycopg.AsyncConnection, query: str, values: dict[str, object] | None = None
) -> list[TupleRow]:
    return await (await connection.execute(_QUERIES[query], values)).fetchall()
