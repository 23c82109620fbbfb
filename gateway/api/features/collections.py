"""The collections of OGC API Features: stations, hourly means, events. Each gives features in CRS84, bounded.

Every feature has the values of `/api/v1`: readings that count, positions rounded to three decimals.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import HTTPException, Request
from msgspec import Raw, json, to_builtins

from gateway.api.features.parameters import MAX_LIMIT, ItemsRequest
from gateway.api.features.projections import CRS84
from gateway.api.routes.events import PUBLIC_KINDS, EventFilters, fetch_events
from gateway.api.routes.places import get_latest_values, render_station
from gateway.api.schemas.observations import flag_names
from gateway.export.selection import MeanRow
from gateway.model.figures import shorten
from gateway.model.properties import PROPERTIES
from gateway.model.timestamps import format_instant

Feature = dict[str, Any]
PageFeature = Feature | Raw  # `Raw`: encoded, in CRS84
_HOUR = timedelta(hours=1)
_LONGEST = timedelta(hours=24)
_DEFAULT = timedelta(hours=3)
_LICENCE_KEYS = ("licence", "attribution")


@dataclass(frozen=True, kw_only=True)
class Page:
    """Features of a page. `matched`: how many there are in all; None: unknown. `has_more`: a next page follows."""

    features: Sequence[PageFeature]
    matched: int | None
    has_more: bool


@dataclass(frozen=True, kw_only=True)
class Collection:
    """A collection: its id, title, description, and how its items are read."""

    id: str
    title: str
    description: str
    list_items: Callable[[Request, ItemsRequest], Awaitable[Page]]
    find_item: Callable[[Request, str], Awaitable[Feature]]


def _cut(features: Sequence[Feature], items_request: ItemsRequest, *, is_complete: bool = True) -> Page:
    end = items_request.offset + items_request.limit
    return Page(
        features=features[items_request.offset : end],
        matched=len(features) if is_complete else None,
        has_more=len(features) > end,
    )


async def _list_stations(request: Request, items_request: ItemsRequest) -> Page:
    latest_values = await get_latest_values(request)
    rows = [
        row for row in latest_values.registry.stations.values() if items_request.contains(row.longitude, row.latitude)
    ]
    page = rows[items_request.offset : items_request.offset + items_request.limit]
    operator = request.app.state.settings.operator
    rendered = [render_station(latest_values, row.id, operator) for row in page]
    features = rendered if items_request.projection is CRS84 else [json.decode(station) for station in rendered]
    return Page(features=features, matched=len(rows), has_more=len(rows) > items_request.offset + items_request.limit)


async def _find_station(request: Request, id_: str) -> Feature:
    latest_values = await get_latest_values(request)
    if id_ not in latest_values.registry.stations:
        raise HTTPException(404, f"no station {id_[:80]!r}")
    return json.decode(render_station(latest_values, id_, request.app.state.settings.operator))  # type: ignore[no-any-return]


async def _list_hours(request: Request, items_request: ItemsRequest) -> Page:
    now = datetime.now(UTC)
    end = min(now, now if items_request.end is None else items_request.end + timedelta(microseconds=1))
    start = end - _DEFAULT if items_request.start is None else items_request.start
    if end - start > _LONGEST + timedelta(microseconds=1):
        raise HTTPException(400, "datetime: hourly means are there for at most 24 hours at a time")
    latest_values = await get_latest_values(request)
    registry = latest_values.registry
    ids = [
        row.id
        for row in registry.datastreams.values()
        if row.observed_property in PROPERTIES
        and PROPERTIES[row.observed_property].shown
        and items_request.contains(registry.stations[row.station].longitude, registry.stations[row.station].latitude)
    ]
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    values = {"ids": ids, "start": start, "end": min(end, this_hour)}
    rows = (
        await request.app.state.database.fetch_costly_rows("select_means_1h", values)
        if ids and start < this_hour
        else []
    )
    features = [_build_hour(latest_values.registry, MeanRow._make(row)) for row in rows]
    return _cut(features, items_request)


def _build_hour(registry: Any, row: MeanRow) -> Feature:  # noqa: ANN401 - PublicRegistry
    datastream = registry.datastreams[row.datastream]
    station = registry.stations[datastream.station]
    return {
        "type": "Feature",
        "id": f"{row.datastream}.{int(row.start.timestamp()) // 3600}",
        "geometry": {"type": "Point", "coordinates": [station.longitude, station.latitude]},
        "properties": {
            "station": station.id,
            "name": station.name,
            "observedProperty": datastream.observed_property,
            "unit": registry.properties[datastream.observed_property].unit,
            "averaging": "1h",
            "start": format_instant(row.start),
            "end": format_instant(row.end),
            "mean": shorten(row.mean),
            "count": row.readings,
            "validCount": row.valid_count,
            "expectedCount": row.expected_count,
            "flags": flag_names(row.flags),
        },
    }


async def _find_hour(request: Request, id_: str) -> Feature:
    datastream, _, hour = id_.partition(".")
    registry = (await get_latest_values(request)).registry
    is_number = datastream.isdecimal() and hour.isdecimal() and id_.isascii() and len(id_) < 20
    if is_number and int(datastream) in registry.datastreams and int(hour) < 1_000_000:
        start = datetime.fromtimestamp(int(hour) * 3600, UTC)
        values = {"ids": [int(datastream)], "start": start, "end": start + _HOUR}
        for row in await request.app.state.database.fetch_rows("select_means_1h", values):
            return _build_hour(registry, MeanRow._make(row))
    raise HTTPException(404, f"no hour {id_[:40]!r}")


async def _list_events(request: Request, items_request: ItemsRequest) -> Page:
    end = None if items_request.end is None else items_request.end + timedelta(microseconds=1)
    filters = EventFilters(start=items_request.start, end=end, kinds=PUBLIC_KINDS)
    events = await fetch_events(request, MAX_LIMIT, filters)
    stations = (await get_latest_values(request)).registry.stations
    features = [
        _build_event(to_builtins(event), stations[event.station])
        for event in events
        if event.station in stations
        and items_request.contains(stations[event.station].longitude, stations[event.station].latitude)
    ]
    return _cut(features, items_request, is_complete=len(events) < MAX_LIMIT)


def _build_event(event: dict[str, Any], station: Any) -> Feature:  # noqa: ANN401 - StationRow
    properties = {name: value for name, value in event.items() if name not in {"id", *_LICENCE_KEYS}}
    point = {"type": "Point", "coordinates": [station.longitude, station.latitude]}
    return {"type": "Feature", "id": event["id"], "geometry": point, "properties": properties}


async def _find_event(request: Request, id_: str) -> Feature:
    events = await fetch_events(request, 1, EventFilters(id=id_, kinds=PUBLIC_KINDS))
    stations = (await get_latest_values(request)).registry.stations
    if not events or events[0].station not in stations:
        raise HTTPException(404, f"no event {id_[:80]!r}")
    return _build_event(to_builtins(events[0]), stations[events[0].station])


COLLECTIONS: Mapping[str, Collection] = {
    collection.id: collection
    for collection in (
        Collection(
            id="stations",
            title="Stations",
            description="Measuring stations with their newest minute; positions are rounded to about 100 m",
            list_items=_list_stations,
            find_item=_find_station,
        ),
        Collection(
            id="hourly",
            title="Hourly means",
            description="Means of hours that are over, of readings that count; at most 24 hours at a time",
            list_items=_list_hours,
            find_item=_find_hour,
        ),
        Collection(
            id="events",
            title="Events",
            description="Short peaks of pollution, newest first, with every correction",
            list_items=_list_events,
            find_item=_find_event,
        ),
    )
}
