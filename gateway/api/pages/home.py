"""`/`: the map and the list of all stations with their newest values. `/widget/{id}`: one station, for other sites."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from alerting.vocabulary import UNIT_SYMBOLS
from gateway.api.http.parameters import ItemId
from gateway.api.pages.plume_texts import describe_on_card, find_event_at, list_events
from gateway.api.pages.renderer import ViewDependency, respond_html, respond_missing, strip_licence
from gateway.api.pages.texts import LIVE_TEXTS
from gateway.api.routes import plumes
from gateway.api.routes.places import build_station
from gateway.api.routes.plumes import PlumeFilters
from gateway.api.settings import BaseMapSettings
from gateway.model.properties import INSTRUMENT_PROPERTY_IDS, PROPERTIES, SHOWN_PROPERTIES

router = APIRouter()
_MAX_OPEN, _MAX_NEWEST, _MAX_PAST = 12, 20, 5
_OPEN, _NEWEST = PlumeFilters(kind="peak", open=True), PlumeFilters(kind="peak")


@router.get("/")
async def show_map(view: ViewDependency) -> HTMLResponse:
    """The map with its list of stations and the newest peaks."""
    registry = view.latest_values.registry
    features = [strip_licence(build_station(view.latest_values, id_, "")) for id_ in registry.stations]
    features.sort(key=lambda feature: feature["properties"]["name"])
    open_plumes = [item.document for item in await plumes.fetch_plumes(view.request, _MAX_OPEN, _OPEN)]
    newest_plumes = [item.document for item in await plumes.fetch_plumes(view.request, _MAX_NEWEST, _NEWEST)]
    past_plumes = [plume for plume in newest_plumes if plume.state == "over"][:_MAX_PAST]
    measured_properties = {name for feature in features for name in feature["properties"]["newest"]}
    shown_properties = [name for name in SHOWN_PROPERTIES if name in measured_properties][:6] or ["pm2_5"]
    unmeasured_instruments = INSTRUMENT_PROPERTY_IDS - measured_properties
    boot = {
        "language": view.language,
        "home": f"{view.prefix}/",
        "words": {name: view.texts[name] for name in LIVE_TEXTS},
        "averagings": view.averagings,
        "colourSteps": {row.id: row.colour_steps for row in PROPERTIES.values() if row.colour_steps},
        "units": dict(UNIT_SYMBOLS),
        "stations": features,
        "events": [event for plume in (*open_plumes, *past_plumes) for event in list_events(plume)],
        "notified": {plume.id: text for plume in open_plumes + past_plumes if (text := describe_on_card(view, plume))},
        "notifiedWords": {name: view.texts[f"notified_{name}"] for name in ("at", "pending", "nobody")},
        "otherStations": [view.texts.plural("other_stations", 1), view.texts["other_stations_many"]],
        "peakPhrases": view.peak_phrases,
        "propertyOrder": list(PROPERTIES),
        "outlines": [area.outline for area in registry.areas.values()],
        "sites": [
            {"name": site.name, "latitude": round(site.latitude, 3), "longitude": round(site.longitude, 3)}
            for site in registry.sites.values()
        ],
        "silentAfter": view.settings.no_data_after_seconds,
        "replay": view.settings.replay,
        "baseMap": describe_base_map(view.settings.base_map),
        "names": {name: view.name_of(name) for name in registry.properties if name not in unmeasured_instruments},
    }
    return respond_html(
        view,
        view.render(
            "map.html",
            boot=boot,
            features=features,
            open=open_plumes,
            past=past_plumes,
            shown=shown_properties,
        ),
    )


def describe_base_map(settings: BaseMapSettings) -> dict[str, object] | None:
    """The facts about the base map that the map script needs; None without one."""
    if not settings.url:
        return None
    return {"attribution": settings.attribution, "minZoom": settings.min_zoom, "maxZoom": settings.max_zoom}


@router.get("/widget/{id}")
async def show_widget(view: ViewDependency, id_: ItemId) -> HTMLResponse:
    """One station, for a frame on another site; the page reloads itself every minute."""
    if id_ not in view.latest_values.registry.stations:
        return respond_missing(view)
    feature = strip_licence(build_station(view.latest_values, id_, ""))
    values = feature["properties"]["newest"]
    shown_properties = [name for name in SHOWN_PROPERTIES if name in values][:3]
    open_plumes = await plumes.fetch_plumes(view.request, 1, PlumeFilters(station=id_, open=True, kind="peak"))
    event = find_event_at(open_plumes[0].document, id_) if open_plumes else None
    return respond_html(
        view, view.render("widget.html", feature=feature, shown=shown_properties, values=values, event=event)
    )
