"""`/`: the map and the list of what every station measures now. And the small window on one station for other sites."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse

from alerting.vocabulary import UNIT_SYMBOLS
from gateway.api.pages.plumes import group_into_plumes
from gateway.api.pages.renderer import View, get_view, respond_html, respond_missing, strip_licence
from gateway.api.pages.texts import LIVE_TEXTS
from gateway.api.routes import events
from gateway.api.routes.places import build_station
from gateway.api.settings import BaseMapSettings
from gateway.model.properties import PROPERTIES, SHOWN_PROPERTIES

router = APIRouter()
ViewDependency = Annotated[View, Depends(get_view)]


@router.get("/")
async def show_map(view: ViewDependency) -> HTMLResponse:
    """The map."""
    places = view.latest_values.registry
    features = [strip_licence(build_station(view.latest_values, id_, "")) for id_ in places.stations]
    features.sort(key=lambda feature: feature["properties"]["name"])
    peaks = [strip_licence(event) for event in await events.fetch_events(view.request, 60, kinds=events.PUBLIC_KINDS)]
    plumes = group_into_plumes([item for item in peaks if item["kind"] == "peak"])
    open_plumes = [item for item in plumes if item.main["end"] is None and item.main["change"] != "voided"]
    past_plumes = [item for item in plumes if item.main["end"] is not None]
    measured_properties = {name for feature in features for name in feature["properties"]["newest"]}
    shown_properties = [name for name in SHOWN_PROPERTIES if name in measured_properties][:6] or ["pm2_5"]
    boot = {
        "language": view.language,
        "home": f"{view.prefix}/",
        "words": {name: view.texts[name] for name in LIVE_TEXTS},
        "colourSteps": {row.id: row.colour_steps for row in PROPERTIES.values() if row.colour_steps},
        "units": dict(UNIT_SYMBOLS),
        "stations": features,
        "events": peaks,
        "outlines": [row[3] for row in places.areas.values()],
        "sites": [
            {"name": row[2], "latitude": round(row[4], 3), "longitude": round(row[5], 3)}
            for row in places.sites.values()
        ],
        "silentAfter": view.settings.no_data_after_seconds,
        "replay": view.settings.replay,
        "baseMap": describe_base_map(view.settings.base_map),
        "names": {name: view.name_of(name) for name in places.properties},
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
        ),
    )


def describe_base_map(settings: BaseMapSettings) -> dict[str, object] | None:
    """What the page needs to know of it."""
    if not settings.url:
        return None
    return {"attribution": settings.attribution, "minZoom": settings.min_zoom, "maxZoom": settings.max_zoom}


@router.get("/widget/{id}")
async def show_widget(view: ViewDependency, id: str) -> HTMLResponse:  # noqa: A002 - the path's word
    """One station, small, to be shown in a frame on another site; it reads itself again each minute."""
    if id not in view.latest_values.registry.stations:
        return respond_missing(view)
    feature = strip_licence(build_station(view.latest_values, id, ""))
    values = feature["properties"]["newest"]
    shown_properties = [name for name in SHOWN_PROPERTIES if name in values][:3]
    open_peaks = [
        strip_licence(event)
        for event in await events.fetch_events(view.request, 5, station=id, open=True, kinds=["peak"])
    ]
    return respond_html(
        view, view.render("widget.html", feature=feature, shown=shown_properties, values=values, peaks=open_peaks)
    )
