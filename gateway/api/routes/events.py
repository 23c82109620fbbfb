"""Events: peaks that were found, with why, and what was said of them before."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response

from gateway.api.data.database import Database
from gateway.api.http import cursor
from gateway.api.http.openapi import describe_responses
from gateway.api.http.problems import reject_unknown_parameters
from gateway.api.http.responses import respond_cached
from gateway.api.routes.observations import InstantText
from gateway.api.routes.places import AreaId, CursorText, PropertyId, StationId, get_latest_values
from gateway.api.schemas.events import Event, Events, Revision, Revisions, event_from_row, revision_from_row
from gateway.model.event import EventKind

router = APIRouter(dependencies=[Depends(reject_unknown_parameters)], tags=["events"])

_NO_FILTERS: dict[str, Any] = dict.fromkeys(
    ("id", "area", "station", "property", "kinds", "open", "start", "end", "before", "before_id")
)
PUBLIC_KINDS = ["peak", "regional"]  # what pages and feeds list; what the detector doubts stays in the API
_MAX_REVISIONS = 500


async def fetch_events(request: Request, limit: int, **filters: object) -> list[Event]:
    """The newest events that fit, as the API shows them."""
    database: Database = request.app.state.database
    rows = await database.fetch_rows("select_events", {**_NO_FILTERS, **filters, "limit": limit})
    return [event_from_row(row, request.app.state.settings.operator) for row in rows]


@router.get("/events", summary="Events, newest onset first, in pages", responses=describe_responses(Events))
async def list_events(  # noqa: PLR0917 - they are query parameters
    request: Request,
    area: AreaId = None,
    station: StationId = None,
    property: PropertyId = None,  # noqa: A002
    open: Annotated[bool | None, Query(description="true: only events that are not over")] = None,  # noqa: A002
    kind: Annotated[EventKind | None, Query(description="peak, or one that was told apart from peaks")] = None,
    start: Annotated[InstantText, Query(description="onset at or after, RFC 3339")] = None,
    end: Annotated[InstantText, Query(description="onset before, RFC 3339")] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    cursor_: CursorText = None,
) -> Response:
    since, until = cursor.parse_instant("start", start), cursor.parse_instant("end", end)
    if since is not None and until is not None and since >= until:
        raise HTTPException(400, "start: must be before end")
    before, key = cursor.read(cursor_, datetime, str)

    async def make() -> Events:
        (await get_latest_values(request)).check_parameters(area=area, station=station, property=property)
        kinds = None if kind is None else [kind.value]
        filters = {"area": area, "station": station, "property": property, "kinds": kinds, "open": open}
        items = await fetch_events(request, limit + 1, **filters, start=since, end=until, before=before, before_id=key)
        items, last = items[:limit], items[limit - 1] if len(items) > limit else None
        next_cursor = None if last is None else cursor.write(datetime.fromisoformat(last.onset), last.id)
        return Events(items=items, next_cursor=next_cursor, attribution=request.app.state.settings.operator)

    return await respond_cached(request, make, modified_field="changed_at")


@router.get("/events/{id}", summary="One event, for ever at this address", responses=describe_responses(Event))
async def get_event(request: Request, id: str) -> Response:  # noqa: A002 - the path's word
    async def make() -> Event:
        return await fetch_event(request, id)

    return await respond_cached(request, make, modified_field="changed_at")


async def fetch_event(request: Request, id_: str) -> Event:
    """The event of that id; 404 where there is none."""
    items = await fetch_events(request, 1, id=id_)
    if not items:
        raise HTTPException(404, f"no event {id_[:80]!r}")
    return items[0]


@router.get(
    "/events/{id}/revisions", summary="All that was ever said of an event", responses=describe_responses(Revisions)
)
async def list_revisions(request: Request, id: str) -> Response:  # noqa: A002 - the path's word
    async def make() -> Revisions:
        await fetch_event(request, id)
        items = await fetch_revisions(request, id)
        return Revisions(event=id, items=items, attribution=request.app.state.settings.operator)

    return await respond_cached(request, make)


async def fetch_revisions(request: Request, id_: str) -> list[Revision]:
    """Oldest first."""
    database: Database = request.app.state.database
    return [
        revision_from_row(row)
        for row in await database.fetch_rows("select_revisions", {"id": id_, "limit": _MAX_REVISIONS})
    ]
