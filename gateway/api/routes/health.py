"""For machines that watch: is it alive, can it serve, what does it count."""

from contextlib import suppress

from fastapi import APIRouter, HTTPException, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from gateway.api.http.cache import Body
from gateway.api.schemas.detection import fetch_detection_figures

router = APIRouter(include_in_schema=False)
_CACHE_SECONDS = 60.0  # s


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process runs."""
    return {"status": "alive"}


@router.get("/readyz")
async def readyz(request: Request) -> dict[str, str]:
    """The process can answer: the database does."""
    rows = await request.app.state.database.fetch_rows("count_migrations")
    if not rows or not rows[0][0]:
        raise HTTPException(503, "the database has no schema: run `piekwacht migrate`")
    return {"status": "ready"}


async def _export_detection_metrics(request: Request) -> Body:
    """What the detector's tests say is in the database, not in this process."""
    await fetch_detection_figures(request.app.state.database, "")
    return Body(b"")


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Prometheus text format."""
    with suppress(HTTPException):  # without the database: as they were
        await request.app.state.cache.get(
            "detection figures shown", _CACHE_SECONDS, lambda: _export_detection_metrics(request)
        )
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
