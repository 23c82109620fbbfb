"""`/alerts`: which inspectorate was notified of which event, and whether the notification was delivered. Public."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response

from gateway.api.http import cursor
from gateway.api.http.openapi import describe_responses
from gateway.api.http.parameters import AreaId, CursorText, InstantText, ItemId
from gateway.api.http.problems import reject_unknown_parameters
from gateway.api.http.responses import respond_cached
from gateway.api.routes.newest import NewestFilters, cut_page, fetch_newest
from gateway.api.routes.places import get_latest_values
from gateway.api.schemas.alerts import Alert, Alerts, alert_from_columns

router = APIRouter(dependencies=[Depends(reject_unknown_parameters)], tags=["alerts"])


@dataclass(frozen=True, kw_only=True)
class AlertFilters(NewestFilters):
    """The parameters of the query `select_alerts`. `before`: an id, from the cursor of the last page."""

    id: int | None = None
    area: str | None = None
    event: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    before: int | None = None


async def fetch_alerts(request: Request, limit: int, filters: AlertFilters) -> list[Alert]:
    """The newest alerts that match."""
    return await fetch_newest(request, "select_alerts", alert_from_columns, filters, limit)


@router.get(
    "/alerts",
    summary="Which inspectorate was notified of which event, newest first, in pages",
    responses=describe_responses(Alerts),
)
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
        filters = AlertFilters(area=area, event=event, start=since, end=until, before=before)
        items, last = cut_page(await fetch_alerts(request, limit + 1, filters), limit)
        next_cursor = None if last is None else cursor.write(last.id)
        return Alerts(items=items, next_cursor=next_cursor, attribution=request.app.state.settings.operator)

    return await respond_cached(request, make)


@router.get("/alerts/{id}", summary="One alert", responses=describe_responses(Alert))
async def get_alert(request: Request, id_: ItemId) -> Response:
    async def make() -> Alert:
        number = int(id_) if id_.isascii() and id_.isdecimal() and len(id_) < 19 else -1
        items = await fetch_alerts(request, 1, AlertFilters(id=number))
        if not items:
            raise HTTPException(404, f"no alert {id_[:80]!r}")
        return items[0]

    return await respond_cached(request, make)
