"""Events: peaks that were found, with why."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request

from gateway.api import cursor, representations
from gateway.api.problems import only_known_parameters
from gateway.api.reading import Reader

router = APIRouter(dependencies=[Depends(only_known_parameters)], tags=["events"])

_ALL: dict[str, Any] = dict.fromkeys(
    ("id", "area", "station", "property", "open", "start", "end", "before", "before_id")
)


async def found(reader: Reader, limit: int, **chosen: object) -> list[dict[str, object]]:
    """The newest events that fit, as the API shows them."""
    rows = await reader.rows("events", {**_ALL, **chosen, "limit": limit})
    return [representations.event(row) for row in rows]


@router.get("/events", summary="Events, newest onset first, in pages")
async def list_events(  # noqa: PLR0917 - they are query parameters
    request: Request,
    area: str | None = None,
    station: str | None = None,
    property: Annotated[str | None, Query(description="such as pm2_5")] = None,  # noqa: A002
    open: Annotated[bool | None, Query(description="true: only events that are not over")] = None,  # noqa: A002
    start: Annotated[datetime | None, Query(description="onset at or after, RFC 3339")] = None,
    end: Annotated[datetime | None, Query(description="onset before, RFC 3339")] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    cursor_: Annotated[str | None, Query(alias="cursor")] = None,
) -> dict[str, Any]:
    for name, value in (("start", start), ("end", end)):
        if value is not None and value.tzinfo is None:
            raise HTTPException(400, f"{name}: say the time zone, such as 2026-11-21T16:00:00Z")
    before, key = cursor.read(cursor_)
    items = await found(
        request.app.state.reader,
        limit + 1,
        area=area,
        station=station,
        property=property,
        open=open,
        start=start,
        end=end,
        before=before,
        before_id=key,
    )
    more = len(items) > limit
    items = items[:limit]
    last = items[-1] if more else None
    return {
        "items": items,
        "nextCursor": None if last is None else cursor.write(datetime.fromisoformat(str(last["onset"])), last["id"]),
        "licence": representations.LICENCE,
    }


@router.get("/events/{id}", summary="One event, for ever at this address")
async def one_event(request: Request, id: str) -> dict[str, Any]:  # noqa: A002 - the path's word
    items = await found(request.app.state.reader, 1, id=id)
    if not items:
        raise HTTPException(404, f"no event {id!r}")
    return items[0]
