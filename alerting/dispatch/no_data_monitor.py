"""Checks the network for missing data: an area, a site's surroundings, a receiver that nothing reaches.

The decision worker calls `check_network`; its alerts go into the inbox. psycopg.Error passes through.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from msgspec import Struct, json

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
from alerting.rows import fetch_all
from alerting.sql import load_queries

_QUERIES = load_queries(Path(__file__).with_suffix(".sql"))


class OpenNetworkAlert(Struct, frozen=True, kw_only=True):
    """A network alert that has not ended, by its newest revision; `alert` is its JSON."""

    event_id: str
    revision: int
    alert: str


async def check_network(settings: NoDataSettings, connection: psycopg.AsyncConnection) -> int:
    """Check once; returns how many alerts began or ended. Several workers that check come to the same alerts."""
    now, timeout = datetime.now(UTC), timedelta(minutes=settings.after_minutes)
    async with connection.transaction():
        parameters = {"seconds": timeout.total_seconds(), "network_receiver": settings.receiver}
        found_alerts = find_network_alerts(
            await fetch_all(connection, StationContact, _QUERIES["select_contacts"]),
            await fetch_all(connection, WatchedSite, _QUERIES["select_sites"]),
            await fetch_all(connection, UnreachableReceiver, _QUERIES["select_unreachable"], parameters),
            now,
            timeout,
        )
        open_alerts = await fetch_all(connection, OpenNetworkAlert, _QUERIES["select_open_network_alerts"])
        found_ids = {alert.event_id for alert in found_alerts}
        open_ids = {open_alert.event_id for open_alert in open_alerts}
        begun = {alert.event_id: alert for alert in found_alerts if alert.event_id not in open_ids}
        ended = [
            end_network_alert(json.decode(open_alert.alert, type=Alert), open_alert.revision + 1, now)
            for open_alert in open_alerts
            if open_alert.event_id not in found_ids
        ]
        await inbox.put_alerts(connection, [*begun.values(), *ended])
    return len(begun) + len(ended)
