"""Alerts, as far as everybody may know them: which inspectorate was told of which event, and whether it arrived."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response

from gateway.api.data.database import Database
from gateway.api.http import cursor
from gateway.api.http.openapi import describe_responses
from gateway.api.http.problems import reject_unknown_parameters
from gateway.api.http.responses import respond_cached
from gateway.api.routes.observations import InstantText
from gateway.api.routes.places import AreaId, CursorText, get_latest_values
from gateway.api.schemas.alerts import Alert, Alerts, alert_from_row

router = APIRouter(dependencies=[Depends(reject_unknown_parameters)], tags=["alerts"])

_NO_FILTERS: dict[str, Any] = dict.fromkeys(("id", "area", "event", "start", "end", "before"))


async def fetch_alerts(request: Request, limit: int, **filters: object) -> list[Alert]:
    """The newest alerts that fit."""
    database: Database = request.app.state.database
    rows = await database.fetch_rows("select_alerts", {**_NO_FILTERS, **filters, "limit": limit})
    return [alert_from_row(row, request.app.state.settings.operator) for row in rows]


@router.get("/alerts", summary="Who was told of what, newest first, in pages", responses=describe_responses(Alerts))
async def list_alerts(  # noqa: PLR0917 - they are query parameters
    request: Request,
    area: AreaId = None,
    event: Annotated[str | None, Query(description="only about this event", max_length=100)] = None,
    start: Annotated[InstantText, Query(description="made at or after, RFC 3339")] = None,
    end: Annotated[InstantText, Query(description="made before, RFC 3339")] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    cursor_: CursorText = None,
) -> Response:
    since, until = cursor.parse_instant("start", start), cursor.parse_instant("end", end)
    (before,) = cursor.read(cursor_, int)

    async def make() -> Alerts:
        (await get_latest_values(request)).check_parameters(area=area)
        filters: dict[str, str | datetime | None] = {"area": area, "event": event, "start": since, "end": until}
        items = await fetch_alerts(request, limit + 1, **filters, before=before)
        next_cursor = cursor.write(items[limit - 1].id) if len(items) > limit else None
        return Alerts(items=items[:limit], next_cursor=next_cursor, attribution=request.app.state.settings.operator)

    return await respond_cached(request, make)


@router.get("/alerts/{id}", summary="One alert", responses=describe_responses(Alert))
async def get_alert(request: Request, id: str) -> Response:  # noqa: A002 - the path's word
    async def make() -> Alert:
        number = int(id) if id.isascii() and id.isdecimal() and len(id) < 19 else -1
        items = await fetch_alerts(request, 1, id=number)
        if not items:
            raise HTTPException(404, f"no alert {id[:80]!r}")
        return items[0]

    return await respond_cached(request, make)
