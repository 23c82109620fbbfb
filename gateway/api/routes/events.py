"""`/events`: detected peaks with reasons and revisions. Pages and feeds use the `fetch_*` functions too."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response

from gateway.api.data.database import Database
from gateway.api.http import cursor
from gateway.api.http.openapi import describe_responses
from gateway.api.http.parameters import AreaId, CursorText, InstantText, ItemId, PropertyId, StationId
from gateway.api.http.problems import reject_unknown_parameters
from gateway.api.http.responses import respond_cached
from gateway.api.routes.newest import NewestFilters, cut_page, fetch_newest
from gateway.api.routes.places import get_latest_values
from gateway.api.schemas.events import Event, Events, Revision, Revisions, event_from_columns, revision_from_columns
from gateway.model.event import EventKind

router = APIRouter(dependencies=[Depends(reject_unknown_parameters)], tags=["events"])

PUBLIC_KINDS = ["peak", "regional"]  # listed on pages and feeds; other kinds are doubtful and only in the API
_MAX_REVISIONS = 500


@dataclass(frozen=True, kw_only=True)
class EventFilters(NewestFilters):
    """The parameters of the query `select_events`. `before` and `before_id`: the cursor of the last page."""

    id: str | None = None
    area: str | None = None
    station: str | None = None
    property: str | None = None
    kinds: list[str] | None = None
    open: bool | None = None
    start: datetime | None = None
    end: datetime | None = None
    before: datetime | None = None
    before_id: str | None = None


async def fetch_events(request: Request, limit: int, filters: EventFilters) -> list[Event]:
    """The newest events that match, as the API shows them."""
    return await fetch_newest(request, "select_events", event_from_columns, filters, limit)


@router.get("/events", summary="Events, newest onset first, in pages", responses=describe_responses(Events))
async def list_events(  # noqa: PLR0917 - they are query parameters
    request: Request,
    area: AreaId = None,
    station: StationId = None,
    property_: PropertyId = None,
    open_: Annotated[bool | None, Query(alias="open", description="true: only events that are not over")] = None,
    kind: Annotated[EventKind | None, Query(description="peak, or a kind that is not one")] = None,
    start: Annotated[InstantText, Query(description="onset at or after, RFC 3339")] = None,
    end: Annotated[InstantText, Query(description="onset before, RFC 3339")] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    cursor_: CursorText = None,
) -> Response:
    since, until = cursor.parse_period(start, end)
    before, before_id = cursor.read(cursor_, datetime, str)

    async def make() -> Events:
        (await get_latest_values(request)).check_parameters(area=area, station=station, observed_property=property_)
        filters = EventFilters(
            area=area,
            station=station,
            property=property_,
            kinds=None if kind is None else [kind.value],
            open=open_,
            start=since,
            end=until,
            before=before,
            before_id=before_id,
        )
        items, last = cut_page(await fetch_events(request, limit + 1, filters), limit)
        next_cursor = None if last is None else cursor.write(datetime.fromisoformat(last.onset), last.id)
        return Events(items=items, next_cursor=next_cursor, attribution=request.app.state.settings.operator)

    return await respond_cached(request, make, modified_field="changed_at")


@router.get("/events/{id}", summary="One event, permanently at this address", responses=describe_responses(Event))
async def get_event(request: Request, id_: ItemId) -> Response:
    async def make() -> Event:
        return await fetch_event(request, id_)

    return await respond_cached(request, make, modified_field="changed_at")


async def fetch_event(request: Request, id_: str) -> Event:
    """The event of that id; raises HTTPException 404 if there is none."""
    items = await fetch_events(request, 1, EventFilters(id=id_))
    if not items:
        raise HTTPException(404, f"no event {id_[:80]!r}")
    return items[0]


@router.get("/events/{id}/revisions", summary="Every revision of an event", responses=describe_responses(Revisions))
async def list_revisions(request: Request, id_: ItemId) -> Response:
    async def make() -> Revisions:
        await fetch_event(request, id_)
        items = await fetch_revisions(request, id_)
        return Revisions(event=id_, items=items, attribution=request.app.state.settings.operator)

    return await respond_cached(request, make)


async def fetch_revisions(request: Request, id_: str) -> list[Revision]:
    """Every revision of an event, oldest first, at most 500."""
    database: Database = request.app.state.database
    return await database.fetch(revision_from_columns, "select_revisions", {"id": id_, "limit": _MAX_REVISIONS})
