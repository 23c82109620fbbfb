"""`/`: the map and the list of all stations with their newest values. `/widget/{id}`: one station, for other sites."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from alerting.vocabulary import UNIT_SYMBOLS
from gateway.api.http.parameters import ItemId
from gateway.api.pages.area_map import draw_area_maps
from gateway.api.pages.map_layers import describe_map_layers, list_colour_steps
from gateway.api.pages.plumes import group_into_plumes
from gateway.api.pages.renderer import ViewDependency, respond_html, respond_missing, strip_licence
from gateway.api.pages.texts import LIVE_TEXTS
from gateway.api.routes import events
from gateway.api.routes.events import EventFilters
from gateway.api.routes.places import build_station
from gateway.model.properties import INSTRUMENT_PROPERTY_IDS, PROPERTIES, SHOWN_PROPERTIES

router = APIRouter()


@router.get("/")
async def show_map(view: ViewDependency) -> HTMLResponse:
    """The map with its list of stations and the newest peaks."""
    registry = view.latest_values.registry
    features = [strip_licence(build_station(view.latest_values, id_, "")) for id_ in registry.stations]
    features.sort(key=lambda feature: feature["properties"]["name"])
    newest_events = await events.fetch_events(view.request, 60, EventFilters(kinds=events.PUBLIC_KINDS))
    peaks = [strip_licence(event) for event in newest_events]
    plumes = group_into_plumes([item for item in peaks if item["kind"] == "peak"])
    open_plumes = [item for item in plumes if item.main["end"] is None and item.main["change"] != "voided"]
    past_plumes = [item for item in plumes if item.main["end"] is not None]
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
        "events": peaks,
        "outlines": [area.outline for area in registry.areas.values()],
        "sites": [
            {"name": site.name, "latitude": round(site.latitude, 3), "longitude": round(site.longitude, 3)}
            for site in registry.sites.values()
        ],
        "silentAfter": view.settings.no_data_after_seconds,
        "replay": view.settings.replay,
        **describe_map_layers(view),
        "names": {name: view.name_of(name) for name in registry.properties if name not in unmeasured_instruments},
    }
    return respond_html(
        view,
        view.render(
            "map.html",
            boot=boot,
            features=features,
            open=open_plumes[:12],
            past=past_plumes[:5],
            shown=shown_properties,
            area_map=draw_area_maps(
                view,
                view.request.app.state.area_bases,
                shown_properties[0],
                {plume.main["station"] for plume in open_plumes},
            ),
            steps=list_colour_steps(shown_properties[0]),
        ),
    )


@router.get("/widget/{id}")
async def show_widget(view: ViewDependency, id_: ItemId) -> HTMLResponse:
    """One station, for a frame on another site; the page reloads itself every minute."""
    if id_ not in view.latest_values.registry.stations:
        return respond_missing(view)
    feature = strip_licence(build_station(view.latest_values, id_, ""))
    values = feature["properties"]["newest"]
    shown_properties = [name for name in SHOWN_PROPERTIES if name in values][:3]
    filters = EventFilters(station=id_, open=True, kinds=["peak"])
    open_peaks = [strip_licence(event) for event in await events.fetch_events(view.request, 5, filters)]
    return respond_html(
        view, view.render("widget.html", feature=feature, shown=shown_properties, values=values, peaks=open_peaks)
    )
