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

from alerting.sql import load
from gateway.sharding.assignment import Plan, Shares, decide

_QUERIES = load(Path(__file__).with_name("leases.sql"))
NAME = "piekwacht gateway "  # and the worker's id: what its connections are called


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What is to be done; `numbers` are of the leases just taken, `dead` the workers found dead."""

    plan: Plan
    areas: int
    numbers: Mapping[str, int]
    dead: Mapping[str, int]  # and how many of its connections were ended


class Leases:
    """One worker's place at the table; its connection is made anew where it broke."""

    def __init__(self, dsn: str, worker: str, areas: list[str], expiry: float) -> None:
        """`areas` empty: every area of the registry. Who is not seen for `expiry` seconds is dead."""
        self._dsn, self._worker, self._areas, self._expiry = dsn, worker, areas, expiry
        self._connection: psycopg.AsyncConnection | None = None

    async def turn(self, running: frozenset[str]) -> Turn:
        """Show that we live, bury the dead, take what is ours. Raises psycopg.Error while the database is away."""
        tx = await self._connected()
        try:
            async with tx.transaction():
                await tx.execute(_QUERIES["alone"])
                await tx.execute(_QUERIES["seen"], {"worker": self._worker})
                ended = await tx.execute(_QUERIES["end_dead"], {"after": self._expiry, "name": NAME})
                dead: dict[str, int] = dict(await ended.fetchall())
                plan, areas = await self._plan(tx, running)
                values = {"worker": self._worker, "areas": sorted(plan.begin)}
                taken = await tx.execute(_QUERIES["take"], values)
                return Turn(plan=plan, areas=areas, numbers=dict(await taken.fetchall()), dead=dead)
        except psycopg.Error:
            await self.close()
            raise

    async def _plan(self, tx: psycopg.AsyncConnection, running: frozenset[str]) -> tuple[Plan, int]:
        workers = await (await tx.execute(_QUERIES["workers"])).fetchall()
        rows = await (await tx.execute(_QUERIES["areas_and_holders"], {"areas": self._areas})).fetchall()
        shares = Shares(
            workers=frozenset(row[0] for row in workers),
            nodes={area: nodes for area, nodes, _ in rows},
            holders={area: holder for area, _, holder in rows if holder is not None},
        )
        return decide(shares, self._worker, running), len(rows)

    async def give(self, areas: frozenset[str]) -> None:
        """Whoever should have these may take them now."""
        tx = await self._connected()
        await tx.execute(_QUERIES["give"], {"worker": self._worker, "areas": sorted(areas)})

    async def leave(self) -> None:
        """We end: all of ours is free. Where this fails the leases run out by themselves."""
        with suppress(psycopg.Error):
            tx = await self._connected()
            await tx.execute(_QUERIES["leave"], {"worker": self._worker})
        await self.close()

    async def close(self) -> None:
        """Drop the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                await connection.close()

    async def _connected(self) -> psycopg.AsyncConnection:
        if self._connection is None or self._connection.closed:
            self._connection = await psycopg.AsyncConnection.connect(
                self._dsn, autocommit=True, connect_timeout=5, application_name=NAME + self._worker
            )
        return self._connection
