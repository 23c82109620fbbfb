"""Leases of areas: a worker shows that it lives, learns who holds what, takes what is free.

The lease says who should write; the advisory lock on the writer's own connection (`store.connection`) is what keeps
anybody else out. So a worker that hangs is fenced by ending its connections, and no number needs to be compared in
every transaction: who wakes up later finds that its connection is gone, and with it what it had not committed.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg

from alerting.sql import load_queries
from gateway.sharding.assignment import LeasePlan, LeaseTable, plan_changes

_QUERIES = load_queries(Path(__file__).with_name("leases.sql"))
CONNECTION_NAME_PREFIX = "piekwacht gateway "  # and the worker's id: what its connections are called


@dataclass(frozen=True, kw_only=True)
class LeaseRenewal:
    """What is to be done; `numbers` are of the leases just taken, `dead` the workers found dead."""

    plan: LeasePlan
    area_count: int
    lease_numbers: Mapping[str, int]
    dead_workers: Mapping[str, int]  # and how many of its connections were ended


class Leases:
    """One worker's place at the table; its connection is made anew where it broke."""

    def __init__(self, dsn: str, worker: str, areas: list[str], expiry: float) -> None:
        """`areas` empty: every area of the registry. Who is not seen for `expiry` seconds is dead."""
        self._dsn, self._worker, self._areas, self._expiry = dsn, worker, areas, expiry
        self._connection: psycopg.AsyncConnection | None = None

    async def renew(self, running: frozenset[str]) -> LeaseRenewal:
        """Show that we live, bury the dead, take what is ours. Raises psycopg.Error while the database is away."""
        tx = await self._ensure_connected()
        try:
            async with tx.transaction():
                await tx.execute(_QUERIES["lock_leases"])
                await tx.execute(_QUERIES["record_heartbeat"], {"worker": self._worker})
                terminated = await tx.execute(
                    _QUERIES["remove_dead_workers"], {"after": self._expiry, "name": CONNECTION_NAME_PREFIX}
                )
                dead_workers: dict[str, int] = dict(await terminated.fetchall())
                plan, areas = await self._plan_changes(tx, running)
                values = {"worker": self._worker, "areas": sorted(plan.start)}
                acquired = await tx.execute(_QUERIES["insert_leases"], values)
                return LeaseRenewal(
                    plan=plan,
                    area_count=areas,
                    lease_numbers=dict(await acquired.fetchall()),
                    dead_workers=dead_workers,
                )
        except psycopg.Error:
            await self.close()
            raise

    async def _plan_changes(self, tx: psycopg.AsyncConnection, running: frozenset[str]) -> tuple[LeasePlan, int]:
        workers = await (await tx.execute(_QUERIES["select_workers"])).fetchall()
        rows = await (await tx.execute(_QUERIES["select_areas"], {"areas": self._areas})).fetchall()
        table = LeaseTable(
            workers=frozenset(row[0] for row in workers),
            node_counts={area: nodes for area, nodes, _ in rows},
            holder_by_area={area: holder for area, _, holder in rows if holder is not None},
        )
        return plan_changes(table, self._worker, running), len(rows)

    async def release(self, areas: frozenset[str]) -> None:
        """Whoever should have these may take them now."""
        tx = await self._ensure_connected()
        await tx.execute(_QUERIES["delete_leases"], {"worker": self._worker, "areas": sorted(areas)})

    async def release_all(self) -> None:
        """We end: all of ours is free. Where this fails the leases run out by themselves."""
        with suppress(psycopg.Error):
            tx = await self._ensure_connected()
            await tx.execute(_QUERIES["delete_worker"], {"worker": self._worker})
        await self.close()

    async def close(self) -> None:
        """Drop the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                await connection.close()

    async def _ensure_connected(self) -> psycopg.AsyncConnection:
        if self._connection is None or self._connection.closed:
            self._connection = await psycopg.AsyncConnection.connect(
                self._dsn, autocommit=True, connect_timeout=5, application_name=CONNECTION_NAME_PREFIX + self._worker
            )
        return self._connection
