"""Leases of areas in the database: heartbeat, current holders, taking free leases. The area pool calls it.

A lease determines which worker should write. The advisory lock on the writer's connection (`store.connection`) is what
excludes all others. A worker that hangs is therefore fenced by terminating its connections, and no lease number has
to be compared in every transaction. When it wakes up, its connection is gone, with everything it had not committed.

A worker that was killed has no connection to the database any more: its areas are free after a missed heartbeat. One
that hangs, or whose machine lost its power or network, keeps its connections; its areas are free after the expiry.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.rows import class_row

from alerting.sql import load_queries
from gateway.sharding.assignment import LeasePlan, LeaseTable, plan_changes

_QUERIES = load_queries(Path(__file__).with_name("leases.sql"))
CONNECTION_NAME_PREFIX = "piekwacht gateway "  # followed by the worker's id
_MAX_RENEWAL_INTERVAL = 1.0  # s
_RENEWALS_PER_EXPIRY = 5  # renewals before a lease would expire, at least
_MISSED_RENEWALS = 1.5  # intervals after which a worker without a connection is dead: it may just reconnect


@dataclass(frozen=True, kw_only=True)
class LeaseRenewal:
    """Result of one renewal.

    lease_numbers  area -> number of each lease just taken
    dead_workers   expired worker -> how many of its connections were terminated
    """

    plan: LeasePlan
    area_count: int
    lease_numbers: Mapping[str, int]
    dead_workers: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class _AreaRow:
    area: str
    node_count: int
    holder: str | None


class Leases:
    """Leases of one worker; reconnects if its connection broke."""

    def __init__(self, dsn: str, worker: str, areas: list[str], expiry: float) -> None:
        """`areas` empty: every area of the registry. A worker without a heartbeat for `expiry` seconds is dead."""
        self._dsn, self._worker, self._areas, self._expiry = dsn, worker, areas, expiry
        self._connection: psycopg.AsyncConnection | None = None

    @property
    def renewal_interval(self) -> float:
        """Seconds between two renewals."""
        return min(self._expiry / _RENEWALS_PER_EXPIRY, _MAX_RENEWAL_INTERVAL)

    async def renew(self, running: frozenset[str]) -> LeaseRenewal:
        """Send a heartbeat, remove dead workers, take free leases. Raises psycopg.Error if the database fails."""
        tx = await self._ensure_connected()
        try:
            async with tx.transaction():
                await tx.execute(_QUERIES["lock_leases"])
                await tx.execute(_QUERIES["record_heartbeat"], {"worker": self._worker})
                terminated = await tx.execute(
                    _QUERIES["remove_dead_workers"],
                    {
                        "expiry_seconds": self._expiry,
                        "disconnected_seconds": _MISSED_RENEWALS * self.renewal_interval,
                        "name_prefix": CONNECTION_NAME_PREFIX,
                    },
                )
                dead_workers: dict[str, int] = dict(await terminated.fetchall())
                plan, area_count = await self._plan_changes(tx, running)
                values = {"worker": self._worker, "areas": sorted(plan.start)}
                acquired = await tx.execute(_QUERIES["insert_leases"], values)
                return LeaseRenewal(
                    plan=plan,
                    area_count=area_count,
                    lease_numbers=dict(await acquired.fetchall()),
                    dead_workers=dead_workers,
                )
        except psycopg.Error:
            await self.close()
            raise

    async def _plan_changes(self, tx: psycopg.AsyncConnection, running: frozenset[str]) -> tuple[LeasePlan, int]:
        workers = await (await tx.execute(_QUERIES["select_workers"])).fetchall()
        cursor = tx.cursor(row_factory=class_row(_AreaRow))
        rows = await (await cursor.execute(_QUERIES["select_areas"], {"areas": self._areas})).fetchall()
        table = LeaseTable(
            workers=frozenset(worker for (worker,) in workers),
            node_counts={row.area: row.node_count for row in rows},
            holder_by_area={row.area: row.holder for row in rows if row.holder is not None},
        )
        return plan_changes(table, self._worker, running), len(rows)

    async def release(self, areas: frozenset[str]) -> None:
        """Give up the leases of these areas."""
        tx = await self._ensure_connected()
        await tx.execute(_QUERIES["delete_leases"], {"worker": self._worker, "areas": sorted(areas)})

    async def release_all(self) -> None:
        """Give up all leases at the end of the process. If this fails, they expire."""
        with suppress(psycopg.Error):
            tx = await self._ensure_connected()
            await tx.execute(_QUERIES["delete_worker"], {"worker": self._worker})
        await self.close()

    async def close(self) -> None:
        """Close the connection."""
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
