"""Checks the network: missing data, receivers that nothing reaches, refusals, nodes with a copy or a wrong clock.

The decision worker calls `check_network`; its alerts go into the inbox. psycopg.Error passes through.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from msgspec import Struct, json

from alerting import inbox
from alerting.alert import Alert
from alerting.decide.no_data import (
    RefusedDelivery,
    StationContact,
    UnreachableReceiver,
    WatchedSite,
    end_network_alert,
    find_network_alerts,
)
from alerting.decide.node_faults import NodeFault, build_node_alerts
from alerting.rows import fetch_all
from alerting.settings import AlertingSettings
from alerting.sql import load_queries

_QUERIES = load_queries(Path(__file__).with_suffix(".sql"))


class OpenNetworkAlert(Struct, frozen=True, kw_only=True):
    """A network alert that has not ended, by its newest revision; `alert` is its JSON."""

    event_id: str
    revision: int
    alert: str


async def check_network(settings: AlertingSettings, connection: psycopg.AsyncConnection) -> int:
    """Check once; returns how many alerts began or ended. Several workers that check come to the same alerts.

    Does nothing without `[alerting.no_data]`, because nobody looks after the network then.
    """
    if settings.no_data is None:
        return 0
    now, timeout = datetime.now(UTC), timedelta(minutes=settings.no_data.after_minutes)
    async with connection.transaction():
        parameters = {"seconds": timeout.total_seconds(), "network_receiver": settings.no_data.receiver}
        found_alerts = find_network_alerts(
            await fetch_all(connection, StationContact, _QUERIES["select_contacts"]),
            await fetch_all(connection, WatchedSite, _QUERIES["select_sites"]),
            await fetch_all(connection, UnreachableReceiver, _QUERIES["select_unreachable"], parameters),
            now,
            timeout,
            refusals=await _select_refusals(settings, connection),
        )
        node_faults = await fetch_all(connection, NodeFault, _QUERIES["select_node_faults"], parameters)
        found_alerts += build_node_alerts(node_faults, now)
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


async def _select_refusals(settings: AlertingSettings, connection: psycopg.AsyncConnection) -> list[RefusedDelivery]:
    """Return the refusals of addressees that are configured; those of others are over."""
    present = []
    for refusal in await fetch_all(connection, RefusedDelivery, _QUERIES["select_refusals"]):
        if settings.has_addressee(refusal.receiver, refusal.channel, refusal.addressee):
            present.append(refusal)
        else:
            key = {"receiver": refusal.receiver, "channel": refusal.channel, "addressee": refusal.addressee}
            await connection.execute(_QUERIES["delete_refusal"], key)
    return present
