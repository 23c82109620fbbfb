"""Alerts, as far as everybody may know them: which inspectorate was told of which event, and whether it arrived."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response

from gateway.api.data.database import Reader
from gateway.api.http import cursor
from gateway.api.http.openapi import answers_with
from gateway.api.http.problems import only_known_parameters
from gateway.api.http.responses import answer
from gateway.api.routes.observations import Moment
from gateway.api.routes.places import AreaId, CursorText, board_of
from gateway.api.schemas.alerts import Alert, Alerts, alert_of

router = APIRouter(dependencies=[Depends(only_known_parameters)], tags=["alerts"])

_ALL: dict[str, Any] = dict.fromkeys(("id", "area", "event", "start", "end", "before"))


async def found(request: Request, limit: int, **chosen: object) -> list[Alert]:
    """The newest alerts that fit."""
    reader: Reader = request.app.state.reader
    rows = await reader.rows("alerts", {**_ALL, **chosen, "limit": limit})
    return [alert_of(row, request.app.state.settings.operator) for row in rows]


@router.get("/alerts", summary="Who was told of what, newest first, in pages", responses=answers_with(Alerts))
async def list_alerts(  # noqa: PLR0917 - they are query parameters
    request: Request,
    area: AreaId = None,
    event: Annotated[str | None, Query(description="only about this event", max_length=100)] = None,
    start: Annotated[Moment, Query(description="made at or after, RFC 3339")] = None,
    end: Annotated[Moment, Query(description="made before, RFC 3339")] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    cursor_: CursorText = None,
) -> Response:
    since, until = cursor.moment("start", start), cursor.moment("end", end)
    (before,) = cursor.read(cursor_, int)

    async def make() -> Alerts:
        (await board_of(request)).check(area=area)
        chosen: dict[str, str | datetime | None] = {"area": area, "event": event, "start": since, "end": until}
        items = await found(request, limit + 1, **chosen, before=before)
        more = cursor.write(items[limit - 1].id) if len(items) > limit else None
        return Alerts(items=items[:limit], next_cursor=more, attribution=request.app.state.settings.operator)

    return await answer(request, make)


@router.get("/alerts/{id}", summary="One alert", responses=answers_with(Alert))
async def one_alert(request: Request, id: str) -> Response:  # noqa: A002 - the path's word
    async def make() -> Alert:
        number = int(id) if id.isascii() and id.isdecimal() and len(id) < 19 else -1
        items = await found(request, 1, id=number)
        if not items:
            raise HTTPException(404, f"no alert {id[:80]!r}")
        return items[0]

    return await answer(request, make)
