"""The inbox of inspectors: plumes with their states, the newest first, with filters that an account can save.

The pages call it. Every query is limited to the inspector's areas. Functions raise HTTPException as `service` does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from urllib.parse import parse_qsl, urlencode

from fastapi import HTTPException, Request
from msgspec import Struct

from alerting.record.cases import Case
from alerting.record.workplace import SavedFilter, WorkplaceStore
from gateway.api.data.database import Database
from gateway.api.inspector import service
from gateway.api.routes.newest import NewestFilters, cut_page, list_parameters
from gateway.api.routes.plumes import PlumeFilters, fetch_plumes
from gateway.api.schemas.plumes import Plume

PAGE_SIZE = 25
STATES = ("new", "acknowledged", "false_alarm", "known_source", "over", "voided")
WIND_SECTORS = {"n": 0, "ne": 45, "e": 90, "se": 135, "s": 180, "sw": 225, "w": 270, "nw": 315}  # middles, degrees
_FILTER_NAMES = frozenset({"state", "station", "property", "from", "to", "wind", "text", "area"})


@dataclass(frozen=True, kw_only=True)
class InboxFilters(NewestFilters):
    """The parameters of the query `select_inspected_plumes`; None for no filter."""

    areas: list[str] | None = None
    state: str | None = None
    station: str | None = None
    property: str | None = None
    wind: float | None = None
    like: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    before: datetime | None = None
    before_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class _StateRow:
    plume: str
    began: datetime
    state: str
    author: str | None
    at: datetime | None


class InboxItem(Struct, frozen=True, kw_only=True):
    """One plume of the inbox. `author` and `at`: of the answer that the state comes from."""

    plume: Plume
    began: datetime
    state: str
    author: str | None
    at: datetime | None


class PeakDay(Struct, frozen=True, kw_only=True):
    """The plumes that began on one day: how many, and the highest severity, 0 to 3."""

    day: date
    count: int
    severity: int


async def list_inbox(request: Request, filters: InboxFilters) -> tuple[list[InboxItem], InboxItem | None]:
    """A page of the inbox, and its last item if another page follows."""
    database: Database = request.app.state.database
    rows = await database.fetch(_StateRow, "select_inspected_plumes", list_parameters(filters, PAGE_SIZE + 1))
    documents = await _fetch_documents(request, [row.plume for row in rows])
    items = [
        InboxItem(plume=documents[row.plume], began=row.began, state=row.state, author=row.author, at=row.at)
        for row in rows
        if row.plume in documents
    ]
    return cut_page(items, PAGE_SIZE)


async def _fetch_documents(request: Request, ids: Sequence[str]) -> Mapping[str, Plume]:
    if not ids:
        return {}
    fetched = await fetch_plumes(request, len(ids), PlumeFilters(plume_ids=list(ids)))
    return {item.document.id: item.document for item in fetched}


def limit_to_own_areas(request: Request, area: str) -> list[str] | None:
    """The areas to search: the requested one, else all of the inspector's; 403 for another's."""
    own = service.readable_areas(service.require_inspector(request))
    if not area:
        return own
    if own is not None and area not in own:
        raise HTTPException(403, "this belongs to an area that is not yours")
    return [area]


def build_like(text: str) -> str | None:
    """The searched text as a pattern of SQL; None for an empty one."""
    cleaned = service.to_single_line(text.replace("\0", " "))[:100]
    if not cleaned:
        return None
    escaped = cleaned.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


async def list_peak_days(request: Request, areas: list[str] | None, start: datetime, end: datetime) -> list[PeakDay]:
    """The days of a period on which plumes began."""
    database: Database = request.app.state.database
    return await database.fetch(PeakDay, "select_peak_days", {"areas": areas, "start": start, "end": end})


async def list_saved_filters(request: Request) -> list[SavedFilter]:
    """The filters that the account saved, by name."""
    identity = service.require_inspector(request)
    database: Database = request.app.state.database
    return await database.fetch(SavedFilter, "select_saved_filters", {"account": identity.name})


async def list_network_cases(request: Request) -> list[Case]:
    """The alerts of the last day about the network; most days there are none, which costs one short query."""
    database: Database = request.app.state.database
    ((count,),) = await database.fetch_rows("count_network_alerts")
    return await service.list_network_cases(request) if count else []


async def save_filter(request: Request, name: str, query: str) -> None:
    """Save a filter under a name; one with the same name is replaced. 400 without a name or with too many."""
    identity = service.require_inspector(request)
    cleaned = service.to_single_line(name)[:60]
    if not cleaned:
        raise HTTPException(400, "name: write a name for this selection")
    with service.translate_database_errors():
        if not await workplace(request).save_filter(identity.name, cleaned, clean_query(query)):
            raise HTTPException(400, "name: you have fifty selections; remove one first")


async def delete_filter(request: Request, name: str) -> None:
    """Remove a saved filter; one that is not there changes nothing."""
    identity = service.require_inspector(request)
    with service.translate_database_errors():
        await workplace(request).delete_filter(identity.name, name[:60])


def clean_query(query: str) -> str:
    """The known parts of an inbox address's query: nothing else is stored or linked to."""
    pairs = parse_qsl(query[:1_000], max_num_fields=30)
    return urlencode([(name, value) for name, value in pairs if name in _FILTER_NAMES and value])[:1_000]


def workplace(request: Request) -> WorkplaceStore:
    """The records of the workplace."""
    store: WorkplaceStore = request.app.state.workplace
    return store
