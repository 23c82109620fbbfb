"""`/plumes`: events that belong together, and the receivers that were notified. Pages and feeds use it too."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from msgspec import Struct

from alerting.alert import Severity
from alerting.plume import PlumeEvent, build_plume
from gateway.api.data.database import Database
from gateway.api.data.loading import FetchWithValues
from gateway.api.http import cursor
from gateway.api.http.openapi import describe_responses
from gateway.api.http.parameters import AreaId, CursorText, InstantText, ItemId, PropertyId, StationId
from gateway.api.http.problems import reject_unknown_parameters
from gateway.api.http.responses import respond_cached
from gateway.api.routes.newest import NewestFilters, cut_page, list_parameters
from gateway.api.routes.places import get_latest_values
from gateway.api.schemas.events import PublicFalseAlarm, build_false_alarm
from gateway.api.schemas.plumes import Plume, PlumeReceiver, Plumes, build_plume_document
from gateway.api.schemas.schema import format_optional_instant
from gateway.model.properties import order_of_property

router = APIRouter(dependencies=[Depends(reject_unknown_parameters)], tags=["events"])
_MAX_CHANGES = 50
_SEVERITIES = {severity.value: severity for severity in Severity}  # faster than the lookup of an enumeration


@dataclass(frozen=True, kw_only=True)
class PlumeFilters(NewestFilters):
    """The parameters of the query `select_plumes`. `before` and `before_id`: the cursor of the last page.

    `start` and `end`: bounds of the onset of the event that the plume is named after.
    """

    id: str | None = None
    plume_ids: list[str] | None = None
    area: str | None = None
    station: str | None = None
    property: str | None = None
    kind: str | None = None
    open: bool | None = None
    start: datetime | None = None
    end: datetime | None = None
    before: datetime | None = None
    before_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class FetchedPlume:
    """A plume and its place in the list: the onset of the event that it is named after, which never changes."""

    document: Plume
    began: datetime


class _EventRow(Struct, frozen=True, kw_only=True):
    plume: str
    began: datetime
    area: str
    changed_at: datetime
    event: PlumeEvent
    false_alarm: PublicFalseAlarm | None
    judgements: int


@dataclass(frozen=True, kw_only=True)
class _NotificationRow:
    plume: str
    receiver: str
    state: str
    notified_at: datetime | None
    changed_at: datetime


@dataclass(frozen=True, kw_only=True)
class _AcknowledgementRow:
    plume: str
    acknowledged_at: datetime


async def fetch_plumes(request: Request, limit: int, filters: PlumeFilters) -> list[FetchedPlume]:
    """At most `limit` plumes that match, newest first."""
    database: Database = request.app.state.database
    return await load_plumes(database.fetch, limit, filters, request.app.state.settings.operator)


async def load_plumes(fetch: FetchWithValues, limit: int, filters: PlumeFilters, operator: str) -> list[FetchedPlume]:
    """The same by `fetch`, which runs a named query of the API; reports call it too."""
    rows = await fetch(_row_from_columns, "select_plumes", list_parameters(filters, limit))
    rows_by_plume = defaultdict[str, list[_EventRow]](list)
    for row in rows:
        rows_by_plume[row.plume].append(row)
    if not rows_by_plume:
        return []
    ids = {"plumes": list(rows_by_plume)}
    notification_rows, acknowledgement_rows = await asyncio.gather(
        fetch(_NotificationRow, "select_plume_notifications", ids),
        fetch(_AcknowledgementRow, "select_plume_acknowledgements", ids),
    )
    notifications = defaultdict[str, list[_NotificationRow]](list)
    for notification in notification_rows:
        notifications[notification.plume].append(notification)
    acknowledged = {row.plume: row.acknowledged_at for row in acknowledgement_rows}
    return [
        FetchedPlume(
            document=_build_document(events, notifications[id_], acknowledged.get(id_), operator), began=events[0].began
        )
        for id_, events in rows_by_plume.items()
    ]


def _row_from_columns(
    *,
    plume: str,
    began: datetime,
    area: str,
    changed_at: datetime,
    severity: str,
    observed_property: str,
    false_alarm_cause: str | None,
    false_alarm_at: datetime | None,
    judgements: int,
    **columns: Any,  # noqa: ANN401 - of any column
) -> _EventRow:
    event = PlumeEvent(
        severity=_SEVERITIES[severity],
        observed_property=observed_property,
        property_order=order_of_property(observed_property),
        **columns,
    )
    return _EventRow(
        plume=plume,
        began=began,
        area=area,
        changed_at=changed_at,
        event=event,
        false_alarm=build_false_alarm(false_alarm_cause, false_alarm_at),
        judgements=judgements,
    )


def _build_document(
    rows: Sequence[_EventRow],
    notifications: Sequence[_NotificationRow],
    acknowledged_at: datetime | None,
    operator: str,
) -> Plume:
    plume = build_plume(rows[0].plume, rows[0].area, [row.event for row in rows])
    changes = [*(row.changed_at for row in rows), *(row.changed_at for row in notifications)]
    receivers = [
        PlumeReceiver(receiver=row.receiver, state=row.state, notified_at=format_optional_instant(row.notified_at))
        for row in notifications
    ]
    changed_at = max([*changes, *([acknowledged_at] if acknowledged_at else [])])
    false_alarm = next((row.false_alarm for row in rows if row.false_alarm is not None), None)
    return build_plume_document(
        plume,
        changed_at,
        receivers,
        acknowledged_at,
        operator,
        false_alarm=false_alarm,
        judgements=rows[0].judgements,
    )


async def fetch_plume(request: Request, id_: str) -> Plume:
    """The plume of that id; raises HTTPException 404 if there is none."""
    plumes = await fetch_plumes(request, 1, PlumeFilters(id=id_))
    if not plumes:
        raise HTTPException(404, f"no plume {id_[:80]!r}; the plume of an event is in the event's `plume`")
    return plumes[0].document


async def fetch_changes(request: Request, id_: str) -> tuple[list[datetime], int]:
    """When the newest fifty revisions of a plume's events were stored, newest first; and how many there are in all."""
    database: Database = request.app.state.database
    rows = await database.fetch_rows("select_plume_changes", {"id": id_, "limit": _MAX_CHANGES})
    return [changed_at for changed_at, _ in rows], rows[0][1]


@router.get("/plumes", summary="Plumes, newest first, in pages", responses=describe_responses(Plumes))
async def list_plumes(  # noqa: PLR0917 - they are query parameters
    request: Request,
    area: AreaId = None,
    station: StationId = None,
    property_: PropertyId = None,
    open_: Annotated[bool | None, Query(alias="open", description="true: only plumes that are not over")] = None,
    start: Annotated[InstantText, Query(description="began at or after, RFC 3339")] = None,
    end: Annotated[InstantText, Query(description="began before, RFC 3339")] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    cursor_: CursorText = None,
) -> Response:
    since, until = cursor.parse_period(start, end)
    before, before_id = cursor.read(cursor_, datetime, str)

    async def make() -> Plumes:
        (await get_latest_values(request)).check_parameters(area=area, station=station, observed_property=property_)
        filters = PlumeFilters(
            area=area,
            station=station,
            property=property_,
            open=open_,
            start=since,
            end=until,
            before=before,
            before_id=before_id,
        )
        plumes, last = cut_page(await fetch_plumes(request, limit + 1, filters), limit)
        next_cursor = None if last is None else cursor.write(last.began, last.document.id)
        items = [plume.document for plume in plumes]
        return Plumes(items=items, next_cursor=next_cursor, attribution=request.app.state.settings.operator)

    return await respond_cached(request, make, modified_field="changed_at")


@router.get("/plumes/{id}", summary="One plume, permanently at this address", responses=describe_responses(Plume))
async def get_plume(request: Request, id_: ItemId) -> Response:
    async def make() -> Plume:
        return await fetch_plume(request, id_)

    return await respond_cached(request, make, modified_field="changed_at")
