"""Checks the network: missing data, receivers that nothing reaches, refusals, nodes with a copy or a wrong clock.

The decision worker calls `check_network`; its alerts go into the inbox. psycopg.Error passes through.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from msgspec import Struct, json, structs

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

    Does nothing without `[alerting.no_data]`, because nobody looks after the network then. `connection` is in
    autocommit mode.
    """
    if settings.no_data is None:
        return 0
    now, timeout = datetime.now(UTC), timedelta(minutes=settings.no_data.after_minutes)
    parameters = {"seconds": timeout.total_seconds(), "network_receiver": settings.no_data.receiver}
    async with connection.transaction():
        # Faults and open alerts are compared, so they must be of one moment: an alert that another worker opens between
        # two queries would be ended here.
        await connection.execute(_QUERIES["use_one_snapshot"])
        refusals = await fetch_all(connection, RefusedDelivery, _QUERIES["select_refusals"])
        current_refusals = [refusal for refusal in refusals if _is_configured(refusal, settings)]
        present_alerts = find_network_alerts(
            await fetch_all(connection, StationContact, _QUERIES["select_contacts"]),
            await fetch_all(connection, WatchedSite, _QUERIES["select_sites"]),
            await fetch_all(connection, UnreachableReceiver, _QUERIES["select_unreachable"], parameters),
            now,
            timeout,
            refusals=current_refusals,
        )
        node_faults = await fetch_all(connection, NodeFault, _QUERIES["select_node_faults"], parameters)
        present_alerts += build_node_alerts(node_faults, now)
        open_alerts = await fetch_all(connection, OpenNetworkAlert, _QUERIES["select_open_network_alerts"])
    changes = list_changes(present_alerts, open_alerts, now)
    async with connection.transaction():
        for refusal in refusals:
            if refusal not in current_refusals:
                await connection.execute(_QUERIES["delete_refusal"], structs.asdict(refusal))
        await inbox.put_alerts(connection, changes)
    return len(changes)


def list_changes(
    present_alerts: Sequence[Alert], open_alerts: Sequence[OpenNetworkAlert], now: datetime
) -> list[Alert]:
    """Return the alerts that begin, each once, and the ends of those whose fault is over. Pure."""
    present_ids = {alert.event_id for alert in present_alerts}
    open_ids = {open_alert.event_id for open_alert in open_alerts}
    begun = {alert.event_id: alert for alert in present_alerts if alert.event_id not in open_ids}
    ended = [
        end_network_alert(json.decode(open_alert.alert, type=Alert), open_alert.revision + 1, now)
        for open_alert in open_alerts
        if open_alert.event_id not in present_ids
    ]
    return [*begun.values(), *ended]


def _is_configured(refusal: RefusedDelivery, settings: AlertingSettings) -> bool:
    """Whether the addressee is configured; the refusals of others are over."""
    return settings.has_addressee(refusal.receiver, refusal.channel, refusal.addressee)
