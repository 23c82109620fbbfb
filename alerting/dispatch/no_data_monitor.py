"""Listens for silence: an area, a site's surroundings, a receiver whom nothing reaches; its alerts go to the inbox."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from msgspec import json
from psycopg.rows import TupleRow

from alerting import inbox
from alerting.alert import Alert
from alerting.decide.no_data import Facility, Heard, SilentSettings, Unreached, ended, quiet
from alerting.sql import load

_QUERIES = load(Path(__file__).with_name("queries.sql"))


async def listen(settings: SilentSettings, connection: psycopg.AsyncConnection) -> int:
    """Look once; returns how many silences began or ended. Several workers come to the same alerts."""
    now, after = datetime.now(UTC), timedelta(minutes=settings.after_minutes)
    async with connection.transaction():
        heard = await _rows(connection, "heard")
        sites = await _rows(connection, "facilities")
        waiting = {"seconds": after.total_seconds(), "keeper": settings.receiver}
        unreached = await _rows(connection, "unreached", waiting)
        found = {
            one.event_id: one
            for one in quiet(
                [Heard(station=r[0], area=r[1], latitude=r[2], longitude=r[3], last_heard=r[4]) for r in heard],
                [Facility(name=r[0], area=r[1], latitude=r[2], longitude=r[3]) for r in sites],
                [Unreached(receiver=r[0], since=r[1]) for r in unreached],
                now,
                after,
            )
        }
        known = {r[0]: (r[1], json.decode(r[2], type=Alert)) for r in await _rows(connection, "quiet_open")}
        news = [one for name, one in found.items() if name not in known]
        news += [ended(one, revision + 1, now) for name, (revision, one) in known.items() if name not in found]
        await inbox.put(connection, news)
    return len(news)


async def _rows(
    connection: psycopg.AsyncConnection, query: str, values: dict[str, object] | None = None
) -> list[TupleRow]:
    return await (await connection.execute(_QUERIES[query], values)).fetchall()
