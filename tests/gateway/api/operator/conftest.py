"""Operators with keys, and a node that reports."""

import json
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from gateway.access.accounts import Accounts
from gateway.access.identity import Role, Scope

HEALTH = {
    "v": 1, "clock": "synced", "spool": {"batches": 3, "readings": 30, "bytes": 999, "oldest": 1_795_228_800_000},
    "battery": {"percent": 12.5, "volts": 3.6}, "disk_free_mb": 900, "sensors": {"sps30": "ok", "bme280": "no answer"},
    "certificate_until": f"{datetime.now(UTC) + timedelta(days=30, hours=1):%Y-%m-%dT%H:%M:%SZ}",
}  # fmt: skip
STATUS = {"v": 1, "online": True, "version": "0.0.9", "configuration": "abc", "remote": {"version": 1}}


@pytest.fixture
async def keys(database, node):
    """Headers with an API key, by account name."""
    accounts = Accounts(database)
    headers = {}
    for name, role, areas in (
        ("carla", Role.OPERATOR, ["ijmond"]), ("bob", Role.OPERATOR, ["chemelot"]), ("ed", Role.OPERATOR, ["*"]),
        ("anna", Role.INSPECTOR, ["*"]), ("dirk", Role.RESIDENT, ["*"]),
    ):  # fmt: skip
        await accounts.put_account(name, role, areas, None)
        key = await accounts.put_key(name, list(Scope), ["*"], purpose="test", days=1)
        headers[name] = {"Authorization": f"Bearer {key}"}
    return headers


@pytest.fixture
def report(database, node):
    """report(health, status): store the newest messages of the node with the time of their receipt."""

    def store(health=HEALTH, status=STATUS, *, last_seen=None, online=True):
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(
                """INSERT INTO node_status (node_id, last_seen, online, status, health) VALUES (%s, %s, %s, %s, %s)
                   ON CONFLICT (node_id) DO UPDATE SET last_seen = excluded.last_seen, online = excluded.online,
                       status = excluded.status, health = excluded.health""",
                [node.id, last_seen or datetime.now(UTC), online, json.dumps(status), json.dumps(health)],
            )

    return store
