"""`/`: the map and the list of what every station measures now. And the small window on one station for other sites."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse

from alerting.vocabulary import UNITS
from gateway.api.pages.plumes import grouped
from gateway.api.pages.renderer import SHOWN, View, bare, html, look, missing
from gateway.api.pages.texts import LIVE_WORDS
from gateway.api.routes import events
from gateway.api.routes.places import station
from gateway.api.settings import BaseMapSettings

router = APIRouter()
Look = Annotated[View, Depends(look)]


@router.get("/")
async def now(view: Look) -> HTMLResponse:
    """The map."""
    places = view.board.places
    features = [bare(station(view.board, id_, "")) for id_ in places.stations]
    features.sort(key=lambda feature: feature["properties"]["name"])
    peaks = [bare(event) for event in await events.found(view.request, 60, kinds=events.PUBLIC)]
    shown_peaks = grouped([one for one in peaks if one["kind"] == "peak"])
    open_ = [one for one in shown_peaks if one.main["end"] is None and one.main["change"] != "voided"]
    past = [one for one in shown_peaks if one.main["end"] is not None]
    measured = {name for feature in features for name in feature["properties"]["newest"]}
    shown = [name for name in SHOWN if name in measured][:6] or ["pm2_5"]
    boot = {
        "language": view.language,
        "home": f"{view.prefix}/",
        "words": {name: view.words[name] for name in LIVE_WORDS},
        "units": dict(UNITS),
        "stations": features,
        "events": peaks,
        "outlines": [row[3] for row in places.areas.values()],
        "sites": [
            {"name": row[2], "latitude": round(row[4], 3), "longitude": round(row[5], 3)}
            for row in places.sites.values()
        ],
        "silentAfter": view.settings.silent_after,
        "replay": view.settings.replay,
        "baseMap": base_map(view.settings.base_map),
        "names": {name: view.name_of(name) for name in places.properties},
    }
    return html(
        view, view.render("map.html", boot=boot, features=features, open=open_[:12], past=past[:5], shown=shown)
    )


def base_map(settings: BaseMapSettings) -> dict[str, object] | None:
    """What the page needs to know of it."""
    if not settings.url:
        return None
    return {"attribution": settings.attribution, "lowest": settings.lowest, "highest": settings.highest}


@router.get("/widget/{id}")
async def widget(view: Look, id: str) -> HTMLResponse:  # noqa: A002 - the path's word
    """One station, small, to be shown in a frame on another site; it reads itself again each minute."""
    if id not in view.board.places.stations:
        return missing(view)
    feature = bare(station(view.board, id, ""))
    values = feature["properties"]["newest"]
    shown = [name for name in SHOWN if name in values][:3]
    open_ = [bare(event) for event in await events.found(view.request, 5, station=id, open=True, kinds=["peak"])]
    return html(view, view.render("widget.html", feature=feature, shown=shown, values=values, peaks=open_))
