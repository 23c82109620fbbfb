"""Events: peaks that were found, with why, and what was said of them before."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response

from gateway.api.data.database import Reader
from gateway.api.http import cursor
from gateway.api.http.openapi import answers_with
from gateway.api.http.problems import only_known_parameters
from gateway.api.http.responses import answer
from gateway.api.routes.observations import Moment
from gateway.api.routes.places import AreaId, CursorText, PropertyId, StationId, board_of
from gateway.api.schemas.events import Event, Events, Revision, Revisions, event_of, revision_of
from gateway.model.event import Kind

router = APIRouter(dependencies=[Depends(only_known_parameters)], tags=["events"])

_ALL: dict[str, Any] = dict.fromkeys(
    ("id", "area", "station", "property", "kinds", "open", "start", "end", "before", "before_id")
)
PUBLIC = ["peak", "regional"]  # what pages and feeds list; what the detector doubts stays in the API
_MOST_REVISIONS = 500


async def found(request: Request, limit: int, **chosen: object) -> list[Event]:
    """The newest events that fit, as the API shows them."""
    reader: Reader = request.app.state.reader
    rows = await reader.rows("events", {**_ALL, **chosen, "limit": limit})
    return [event_of(row, request.app.state.settings.operator) for row in rows]


@router.get("/events", summary="Events, newest onset first, in pages", responses=answers_with(Events))
async def list_events(  # noqa: PLR0917 - they are query parameters
    request: Request,
    area: AreaId = None,
    station: StationId = None,
    property: PropertyId = None,  # noqa: A002
    open: Annotated[bool | None, Query(description="true: only events that are not over")] = None,  # noqa: A002
    kind: Annotated[Kind | None, Query(description="peak, or one that was told apart from peaks")] = None,
    start: Annotated[Moment, Query(description="onset at or after, RFC 3339")] = None,
    end: Annotated[Moment, Query(description="onset before, RFC 3339")] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    cursor_: CursorText = None,
) -> Response:
    since, until = cursor.moment("start", start), cursor.moment("end", end)
    if since is not None and until is not None and since >= until:
        raise HTTPException(400, "start: must be before end")
    before, key = cursor.read(cursor_, datetime, str)

    async def make() -> Events:
        (await board_of(request)).check(area=area, station=station, property=property)
        kinds = None if kind is None else [kind.value]
        chosen = {"area": area, "station": station, "property": property, "kinds": kinds, "open": open}
        items = await found(request, limit + 1, **chosen, start=since, end=until, before=before, before_id=key)
        items, last = items[:limit], items[limit - 1] if len(items) > limit else None
        more = None if last is None else cursor.write(datetime.fromisoformat(last.onset), last.id)
        return Events(items=items, next_cursor=more, attribution=request.app.state.settings.operator)

    return await answer(request, make, modified="changed_at")


@router.get("/events/{id}", summary="One event, for ever at this address", responses=answers_with(Event))
async def one_event(request: Request, id: str) -> Response:  # noqa: A002 - the path's word
    async def make() -> Event:
        return await known(request, id)

    return await answer(request, make, modified="changed_at")


async def known(request: Request, id_: str) -> Event:
    """The event of that id; 404 where there is none."""
    items = await found(request, 1, id=id_)
    if not items:
        raise HTTPException(404, f"no event {id_[:80]!r}")
    return items[0]


@router.get("/events/{id}/revisions", summary="All that was ever said of an event", responses=answers_with(Revisions))
async def revisions(request: Request, id: str) -> Response:  # noqa: A002 - the path's word
    async def make() -> Revisions:
        await known(request, id)
        items = await revisions_of(request, id)
        return Revisions(event=id, items=items, attribution=request.app.state.settings.operator)

    return await answer(request, make)


async def revisions_of(request: Request, id_: str) -> list[Revision]:
    """Oldest first."""
    reader: Reader = request.app.state.reader
    return [revision_of(row) for row in await reader.rows("revisions", {"id": id_, "limit": _MOST_REVISIONS})]
