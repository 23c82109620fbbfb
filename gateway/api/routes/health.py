"""`/healthz`, `/readyz` and `/metrics`, for monitoring."""

import asyncio
from contextlib import suppress

from fastapi import APIRouter, HTTPException, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from gateway.api.http.cache import TtlCache
from gateway.api.routes.detection import export_metrics, fetch_selftest_summary
from gateway.system import merged_metrics

router = APIRouter(include_in_schema=False)
_EXPORT_INTERVAL = 60.0  # s


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process runs."""
    return {"status": "alive"}


@router.get("/readyz")
async def readyz(request: Request) -> dict[str, str]:
    """The process can serve: the database answers and has its schema."""
    rows = await request.app.state.database.fetch_rows("count_migrations")
    if rows in ([], [(0,)]):
        raise HTTPException(503, "the database has no schema: run `piekwacht migrate`")
    return {"status": "ready"}


async def _export_detection_metrics(request: Request) -> None:
    """The self-test runs in another process, so its results are read from the database."""
    export_metrics(await fetch_selftest_summary(request.app.state.database))


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Prometheus text format."""
    status_cache: TtlCache = request.app.state.status_cache
    with suppress(HTTPException):  # without the database the gauges keep their values
        await status_cache.get("selftest metrics", _EXPORT_INTERVAL, lambda: _export_detection_metrics(request))
    return Response(await asyncio.to_thread(merged_metrics.render), media_type=CONTENT_TYPE_LATEST)
