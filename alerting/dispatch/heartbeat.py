"""The dead man's switch: as long as alerting works, an outside watcher hears from us; when it stops, that one calls.

The beat goes out only where the database answers and no notification has waited too long, so that an
alerting that runs and does nothing falls silent as well.
"""

import asyncio
from pathlib import Path

import httpx
import psycopg

from alerting import telemetry
from alerting.decide.no_data import HeartbeatSettings
from alerting.errors import one_line
from alerting.log import get_logger
from alerting.sql import load_queries

_LOG = get_logger("alerting.dispatch")
_QUERIES = load_queries(Path(__file__).with_name("heartbeat.sql"))


async def run(settings: HeartbeatSettings, dsn: str) -> None:
    """Until cancelled."""
    while True:
        try:
            await post_heartbeat(settings, dsn)
        except (psycopg.Error, httpx.HTTPError, TimeoutError) as error:
            telemetry.FAILURES.labels("heartbeat").inc()
            _LOG.warning("heartbeat failed", error=one_line(error))
        await asyncio.sleep(settings.seconds)


async def post_heartbeat(settings: HeartbeatSettings, dsn: str) -> bool:
    """Beat once; False where we are not well and stay silent."""
    async with await psycopg.AsyncConnection.connect(dsn, connect_timeout=5) as connection:
        row = await (await connection.execute(_QUERIES["check_stale"], {"seconds": settings.stale_seconds})).fetchone()
    if row is None or row[0]:
        _LOG.error("heartbeat withheld: alerts wait too long", seconds=settings.stale_seconds)
        return False
    async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
        (await client.post(settings.url)).raise_for_status()
    telemetry.HEARTBEAT_TIME.set_to_current_time()
    return True
