"""`/`: the answer for a place, the map and the list of all stations. `/widget/{id}`: one station, for other sites."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from msgspec import to_builtins

from alerting.vocabulary import UNIT_SYMBOLS
from edge_agent.wire import is_guest
from gateway.api.data.gazetteer import Gazetteer
from gateway.api.data.registry import PublicRegistry
from gateway.api.http.parameters import ItemId
from gateway.api.pages.area_map import MapContent, draw_area_maps
from gateway.api.pages.backgrounds import fetch_backgrounds
from gateway.api.pages.first_screen import choose_first_screen, fetch_situations
from gateway.api.pages.map_layers import describe_map_layers, describe_tracks, list_colour_steps
from gateway.api.pages.moment import fetch_minute, fetch_past_situations, look_back, read_moment
from gateway.api.pages.plume_texts import describe_on_card, find_event_at, list_events
from gateway.api.pages.renderer import View, ViewDependency, respond_html, respond_missing, strip_licence
from gateway.api.pages.texts import FIRST_SCREEN_TEXTS, LIVE_TEXTS, PLAYBACK_TEXTS
from gateway.api.routes import plumes
from gateway.api.routes.places import build_station
from gateway.api.routes.plumes import PlumeFilters
from gateway.api.schemas.situations import Situations
from gateway.model.properties import INSTRUMENT_PROPERTY_IDS, PROPERTIES, SHOWN_PROPERTIES
from gateway.model.timestamps import format_instant

router = APIRouter()
PlaceText = Annotated[str, Query(max_length=200)]
_MAX_INLINE_SITUATIONS = 150
_MAX_OPEN, _MAX_NEWEST, _MAX_PAST = 12, 20, 5
_OPEN, _NEWEST = PlumeFilters(kind="peak", open=True), PlumeFilters(kind="peak")


@router.get("/")
async def show_map(
    view: ViewDependency, place: PlaceText = "", at: Annotated[str, Query(max_length=40)] = ""
) -> HTMLResponse:
    """The answer for a place, the map with its list of stations, and the newest peaks; `at`: as they were then."""
    registry = view.latest_values.registry
    features = [strip_licence(build_station(view.latest_values, id_, "")) for id_ in registry.stations]
    moment = read_moment(at, view.now)
    if moment.at is None:
        past_view, situations = None, await fetch_situations(view)
    else:
        past_view = look_back(view, moment.at)
        minutes = await fetch_minute(past_view, moment.at)
        situations = await fetch_past_situations(past_view, moment.at, minutes)
        for feature in features:
            feature["properties"]["newest"] = to_builtins(minutes.get(feature["id"], {}))
    features.sort(key=lambda feature: feature["properties"]["name"])
    open_plumes = [item.document for item in await plumes.fetch_plumes(view.request, _MAX_OPEN, _OPEN)]
    newest_plumes = [item.document for item in await plumes.fetch_plumes(view.request, _MAX_NEWEST, _NEWEST)]
    past_plumes = [plume for plume in newest_plumes if plume.state == "over"][:_MAX_PAST]
    measured_ids = {row.observed_property for row in registry.datastreams.values()}
    shown_properties = [name for name in SHOWN_PROPERTIES if name in measured_ids][:6] or ["pm2_5"]
    unmeasured_instruments = INSTRUMENT_PROPERTY_IDS - measured_ids
    gazetteer = view.latest_values.gazetteer
    screen = choose_first_screen(view, gazetteer, situations, place)
    backgrounds = await fetch_backgrounds(view, moment.at)
    boot = {
        "language": view.language,
        "home": f"{view.prefix}/",
        "backgrounds": backgrounds,
        "words": {name: view.texts[name] for name in (*LIVE_TEXTS, *PLAYBACK_TEXTS)},
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
        "moment": None if moment.at is None else format_instant(moment.at),
        "tracks": describe_tracks(view),
        **describe_map_layers(view),
        "names": {name: view.name_of(name) for name in registry.properties if name not in unmeasured_instruments},
    }
    return respond_html(
        view,
        view.render(
            "map.html",
            boot=boot,
            features=features,
            backgrounds=backgrounds,
            open=open_plumes,
            past=past_plumes,
            shown=shown_properties,
            moment=moment,
            nothing_measured=moment.at is not None and situations.state == "no_data",
            past_view=past_view,
            screen=screen,
            gazetteer=gazetteer,
            authority=name_authorities(registry),
            first_screen=describe_first_screen(view, gazetteer, situations, place),
            distance=view.distance,
            area_map=draw_area_maps(
                view,
                view.request.app.state.area_bases,
                MapContent(
                    observed_property=shown_properties[0],
                    peaking={item.station for item in situations.items if item.state == "peak"},
                    plume_origins={plume.stations[0].id for plume in open_plumes} if past_view is None else (),
                    backgrounds=backgrounds,
                ),
            ),
            steps=list_colour_steps(shown_properties[0]),
            has_guests=any(map(is_guest, view.registry.stations)),
        ),
        geolocation=True,
    )


def describe_first_screen(
    view: View, gazetteer: Gazetteer, situations: Situations, wanted_place: str
) -> dict[str, object]:
    """The input of the script of the first screen. `situations` are left out if there are many: it fetches them."""
    stations = view.registry.stations.values()
    return {
        "language": view.language,
        "home": f"{view.prefix}/",
        "words": {name: view.texts[name] for name in FIRST_SCREEN_TEXTS},
        "wanted": bool(wanted_place.strip()),
        "places": [[row.name, row.latitude, row.longitude, list(row.postcodes)] for row in gazetteer.places],
        "stations": {row.id: [round(row.latitude, 3), round(row.longitude, 3)] for row in stations},
        "situations": strip_licence(situations) if len(situations.items) <= _MAX_INLINE_SITUATIONS else None,
    }


def name_authorities(registry: PublicRegistry) -> str:
    """The authorities of the areas, as a text."""
    return ", ".join(dict.fromkeys(area.authority for area in registry.areas.values()))


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
    backgrounds = (await fetch_backgrounds(view)).get(id_, {})
    content = view.render(
        "widget.html",
        feature=feature,
        shown=shown_properties,
        values=values,
        event=event,
        backgrounds=backgrounds,
    )
    return respond_html(view, content)
