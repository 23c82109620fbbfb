"""The dead man's switch: an outside watcher gets a request as long as alerting works, and calls when none comes.

The request is sent only if the database answers and nothing has waited too long: an alerting that runs but does
nothing must not look alive. A failed heartbeat is logged and counted; the next one follows. Run by the dispatcher.
"""

import asyncio
from pathlib import Path

import httpx
import psycopg

from alerting import telemetry
from alerting.errors import one_line
from alerting.log import get_logger
from alerting.rows import fetch_value
from alerting.settings import HeartbeatSettings
from alerting.sql import load_queries

_LOG = get_logger("alerting.dispatch")
_QUERIES = load_queries(Path(__file__).with_suffix(".sql"))


async def run(settings: HeartbeatSettings, dsn: str) -> None:
    """Post a heartbeat every `settings.seconds` until cancelled."""
    while True:
        try:
            await post_heartbeat(settings, dsn)
        except (psycopg.Error, httpx.HTTPError, TimeoutError) as error:
            telemetry.FAILURES.labels("heartbeat").inc()
            _LOG.warning("heartbeat failed", error=one_line(error))
        await asyncio.sleep(settings.seconds)


async def post_heartbeat(settings: HeartbeatSettings, dsn: str) -> bool:
    """Post once; False, without a request, if alerts have waited too long."""
    async with await psycopg.AsyncConnection.connect(dsn, connect_timeout=5) as connection:
        parameters = {"seconds": settings.stale_seconds}
        is_stale = await fetch_value(connection, bool, _QUERIES["has_stale_alerts"], parameters)
    if is_stale is None or is_stale:
        _LOG.error("heartbeat withheld: alerts wait too long", seconds=settings.stale_seconds)
        return False
    async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
        (await client.post(settings.url)).raise_for_status()
    telemetry.HEARTBEAT_TIME.set_to_current_time()
    return True
