"""`/feeds`: Atom, RSS and JSON Feed of plumes and alerts, CSV of plumes and of today's means, GeoJSON, and CAP."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.responses import StreamingResponse

from alerting.message.cap import build_cap
from gateway.api.data.table_stream import write_minutes_of_stations
from gateway.api.feeds import cap, plume_table, syndication
from gateway.api.http.parameters import AreaId, ItemId
from gateway.api.http.problems import reject_unknown_parameters
from gateway.api.http.responses import attachment_headers, licence_headers, respond_cached
from gateway.api.pages.event_texts import build_sentence
from gateway.api.pages.plume_texts import build_plume_sentence, build_title, describe_notified, leading_event
from gateway.api.pages.renderer import View, build_view
from gateway.api.routes import alerts, events, places, plumes
from gateway.api.routes.alerts import AlertFilters
from gateway.api.routes.places import get_latest_values
from gateway.api.routes.plumes import PlumeFilters
from gateway.api.schemas.alerts import Alert
from gateway.api.schemas.plumes import Plume
from gateway.api.schemas.schema import LICENCE
from gateway.export import tables
from gateway.export.selection import Averaging, TableFormat
from gateway.model.legal_day import day_start, legal_date

router = APIRouter(prefix="/feeds", dependencies=[Depends(reject_unknown_parameters)], include_in_schema=False)

Lang = Annotated[Literal["nl", "en"], Query()]
_MAX_ENTRIES = 50
_MAX_ROWS = 1_000
_FORMATS = {
    "atom": ("application/atom+xml; charset=utf-8", syndication.build_atom),
    "rss": ("application/rss+xml; charset=utf-8", syndication.build_rss),
    "json": ("application/feed+json", syndication.build_json_feed),
}
_MAX_AGE = 10.0


async def _build_entries(view: View, collection: str, area: str | None) -> list[syndication.FeedEntry]:
    root = view.settings.public_url.rstrip("/")
    view.latest_values.check_parameters(area=area)
    if collection == "events":
        fetched = await plumes.fetch_plumes(view.request, _MAX_ENTRIES, PlumeFilters(area=area))
        return [_build_plume_entry(view, root, item.document) for item in fetched]
    public_alerts = await alerts.fetch_alerts(view.request, _MAX_ENTRIES, AlertFilters(area=area))
    return [_build_alert_entry(view, root, alert) for alert in public_alerts]


def _build_plume_entry(view: View, root: str, plume: Plume) -> syndication.FeedEntry:
    """One entry a plume: its id never changes, and `updated` changes with every event that joins it or is corrected."""
    station = view.latest_values.registry.stations.get(leading_event(plume).station)
    return syndication.FeedEntry(
        id=f"{root}/plumes/{plume.id}",
        link=f"{root}/{view.language}/plumes/{plume.id}",
        title=build_title(view, plume),
        text=f"{build_plume_sentence(view, plume)} {describe_notified(view, plume)}".strip(),
        published=datetime.fromisoformat(plume.detected_at),
        updated=datetime.fromisoformat(plume.changed_at),
        point=None if station is None else (station.latitude, station.longitude),
        cap_link=f"{root}/feeds/plumes/{plume.id}.cap",
    )


def _build_alert_entry(view: View, root: str, alert: Alert) -> syndication.FeedEntry:
    updated = datetime.fromisoformat(alert.finished_at or alert.created_at)
    state = view.texts.get(alert.state, alert.state)
    peak = f"{view.peak(alert.peak, alert.background, alert.unit)}, {view.averaging(alert.peak_averaging)}"
    return syndication.FeedEntry(
        id=f"{root}/api/v1/alerts/{alert.id}",
        link=f"{root}/{view.language}/" + (f"plumes/{alert.plume}" if alert.plume else f"events/{alert.event}"),
        title=f"{alert.receiver}: {view.name_of(alert.observed_property)}, {alert.station_name}",
        text=f"{view.texts.get(alert.channel, alert.channel)}, {state}. {peak}, {view.date_time(alert.onset)}.",
        published=datetime.fromisoformat(alert.created_at),
        updated=updated,
    )


@router.get("/now.geojson")
async def get_stations(request: Request, area: AreaId = None) -> Response:
    """The same document as the stations of the API."""
    return await places.list_stations(request, area, 20_000, None)


@router.get("/events/{id}.cap")
async def get_cap(request: Request, id_: ItemId) -> Response:
    """One event as CAP 1.2, for systems of warning services."""

    async def make() -> bytes:
        event = await events.fetch_event(request, id_)
        view = build_view(request, "nl", "/nl", await get_latest_values(request))
        revisions = await events.fetch_revisions(request, id_)
        message = cap.map_event(
            event,
            revisions,
            language=view.language,
            description=build_sentence(view, event),
            registry=view.latest_values.registry,
            settings=view.settings,
            now=view.now,
        )
        return build_cap(message)

    return await respond_cached(request, make, max_age=_MAX_AGE, media="application/cap+xml")


@router.get("/plumes/{id}.cap")
async def get_plume_cap(request: Request, id_: ItemId) -> Response:
    """One plume as CAP 1.2: an info block a station, and an update for each stored revision."""

    async def make() -> bytes:
        plume = await plumes.fetch_plume(request, id_)
        view = build_view(request, "nl", "/nl", await get_latest_values(request))
        changes, number = await plumes.fetch_changes(request, id_)
        message = cap.map_plume(
            plume,
            changes,
            number,
            language=view.language,
            description=build_plume_sentence(view, plume),
            registry=view.latest_values.registry,
            settings=view.settings,
            now=view.now,
        )
        return build_cap(message)

    return await respond_cached(request, make, max_age=_MAX_AGE, media="application/cap+xml")


@router.get("/today.csv")
async def get_today_csv(
    request: Request,
    property_: Annotated[str, Query(alias="property", max_length=100)] = "pm2_5",
    format_: Annotated[Literal["csv", "csv-nl"], Query(alias="format")] = "csv",
) -> Response:
    """One-minute means of one property at every station since midnight of the legal day of its area."""
    latest_values = await get_latest_values(request)
    latest_values.check_parameters(observed_property=property_)
    end = datetime.now(UTC)
    registry, table_format = latest_values.registry, TableFormat(format_)
    selections = [
        registry.build_selection(id_, property_, (day_start(end, registry.time_zone_of(id_)), end), Averaging.MINUTE)
        for id_ in registry.stations
        if registry.datastreams_of(id_, property_)
    ]
    day = legal_date(end)
    headers = {
        **attachment_headers(f"piekwacht-{property_}-1min-{day}", table_format),
        "Cache-Control": "public, max-age=60",
        **licence_headers(request.app.state.settings),
    }
    parts = write_minutes_of_stations(selections, request.app.state.mean_cache, table_format)
    return StreamingResponse(parts, media_type=tables.MEDIA_TYPES[table_format], headers=headers)


@router.get("/events.csv")
async def get_plumes_csv(
    request: Request,
    area: AreaId = None,
    format_: Annotated[Literal["csv", "csv-nl"], Query(alias="format")] = "csv",
) -> Response:
    """The newest thousand plumes as a table."""
    latest_values, table_format = await get_latest_values(request), TableFormat(format_)
    latest_values.check_parameters(area=area)
    settings = request.app.state.settings
    fetched = await plumes.fetch_plumes(request, _MAX_ROWS, PlumeFilters(area=area))
    content = plume_table.write_plumes(
        [item.document for item in fetched], settings.public_url.rstrip("/"), tables.DIALECTS[table_format]
    )
    headers = {
        **attachment_headers(f"piekwacht-plumes-{legal_date(datetime.now(UTC))}", table_format),
        "Cache-Control": f"public, max-age={_MAX_AGE:.0f}",
        **licence_headers(settings),
    }
    return Response(content, media_type=tables.MEDIA_TYPES[table_format], headers=headers)


@router.get("/{collection}.{format_}")
async def get_feed(
    request: Request,
    collection: Literal["events", "alerts"],
    format_: Literal["atom", "rss", "json"],
    lang: Lang = "nl",
    area: AreaId = None,
) -> Response:
    """The newest fifty plumes (`events`) or alerts."""
    settings = request.app.state.settings
    media, build = _FORMATS[format_]

    async def make() -> bytes:
        view = build_view(request, lang, f"/{lang}", await get_latest_values(request))
        entries = await _build_entries(view, collection, area)
        root = settings.public_url.rstrip("/")
        feed = syndication.Feed(
            title=f"Piekwacht: {view.texts['events' if collection == 'events' else 'told'].lower()}",
            url=f"{root}{request.url.path}?lang={lang}",
            home=f"{root}/{lang}/",
            language=lang,
            author=settings.operator,
            rights=LICENCE,
        )
        return build(feed, entries)

    return await respond_cached(request, make, max_age=_MAX_AGE, media=media)
