"""The first screen: the answer for a reader's own place, or for the whole area, and the nearest three stations.

`home` renders it; `/api/v1/situations` gives the same sentences to the script that keeps the screen up to date. A place
is looked up on this server, in the base maps and the stations; without one in the request nothing is stored or sent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from alerting.vocabulary import Language
from edge_agent.wire import is_guest
from gateway.api.data.area_base import PlaceName
from gateway.api.data.area_wind import compute_area_wind
from gateway.api.data.gazetteer import Gazetteer, SearchFailure, sort_by_distance
from gateway.api.data.registry import PublicRegistry
from gateway.api.http.cache import TtlCache
from gateway.api.http.openapi import describe_responses
from gateway.api.http.parameters import AreaId
from gateway.api.http.problems import reject_unknown_parameters
from gateway.api.http.responses import respond_cached
from gateway.api.pages.formats import Formats
from gateway.api.pages.renderer import View, build_view
from gateway.api.pages.situation import OpenPeak, StationAir, build_situations, describe_guest_peaks
from gateway.api.routes import events, plumes
from gateway.api.routes.events import EventFilters
from gateway.api.routes.places import get_latest_values
from gateway.api.routes.plumes import PlumeFilters
from gateway.api.schemas.events import Event
from gateway.api.schemas.observations import Minute
from gateway.api.schemas.plumes import Plume
from gateway.api.schemas.situations import Situation, Situations

router = APIRouter(dependencies=[Depends(reject_unknown_parameters)], tags=["events"])

NEAREST_COUNT = 3
_FAR_METRES = 5_000.0
_MAX_PEAKS = 200
_MAX_AGE = 2.0
_SHARED_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class NearStation:
    """A station on the first screen. `distance`: from the reader's place in metres; None without a place."""

    situation: Situation
    distance: float | None


@dataclass(frozen=True, kw_only=True)
class FirstScreen:
    """The first screen. `problem`: why the place is not known; empty without one."""

    place: PlaceName | None
    problem: str
    headline: str
    facts: Sequence[str]
    state: str
    plume: str | None
    nearest: Sequence[NearStation]


@router.get(
    "/situations",
    summary="In words: whether something is in the air at each station now",
    responses=describe_responses(Situations),
)
async def list_situations(
    request: Request, area: AreaId = None, language: Annotated[Language, Query(description="of the texts")] = "nl"
) -> Response:
    """The sentences of the first screen."""

    async def make() -> Situations:
        latest_values = await get_latest_values(request)
        latest_values.check_parameters(area=area)
        return await fetch_situations(build_view(request, language, "", latest_values), area)

    return await respond_cached(request, make, max_age=_MAX_AGE)


async def fetch_situations(view: View, area: str | None = None) -> Situations:
    """The situation at each station now; `area`: only at its stations. Pages and API share it for a second."""
    cache: TtlCache = view.request.app.state.status_cache
    return await cache.get(f"situations {view.language} {area}", _SHARED_SECONDS, lambda: _fetch(view, area))


async def _fetch(view: View, area: str | None) -> Situations:
    open_events = await events.fetch_events(
        view.request, _MAX_PEAKS, EventFilters(area=area, open=True, kinds=events.PUBLIC_KINDS)
    )
    fetched = await plumes.fetch_plumes(view.request, _MAX_PEAKS, PlumeFilters(area=area, open=True))
    peaks = list_open_peaks(open_events, [item.document for item in fetched])
    minutes = {id_: view.latest_values.build_minutes(id_) for id_ in view.registry.stations}
    stations = join_stations(view.registry, minutes, peaks, area)
    max_age = timedelta(seconds=view.settings.no_data_after_seconds)
    winds = {
        id_: compute_area_wind(view.registry, view.latest_values.windows, id_, view.now, max_age)
        for id_ in view.registry.areas
    }
    return build_situations(view, stations, winds, name_areas(view, area), max_age, view.settings.operator)


def list_open_peaks(open_events: Sequence[Event], open_plumes: Sequence[Plume]) -> list[OpenPeak]:
    """Each event that goes on with its plume; an event whose plume is not in the list is left out."""
    plume_by_event = {event.id: plume for plume in open_plumes for event in plume.events}
    return [
        OpenPeak(event=event, plume=plume_by_event[event.id]) for event in open_events if event.id in plume_by_event
    ]


def join_stations(
    registry: PublicRegistry, minutes: Mapping[str, Mapping[str, Minute]], peaks: Sequence[OpenPeak], area: str | None
) -> list[StationAir]:
    """Each station of the area with its minutes and its worst peak; `peaks` are in no order."""
    peak_by_station = {peak.event.station: peak for peak in sorted(peaks, key=lambda peak: peak.rank)}
    return [
        StationAir(station=station, minutes=minutes.get(station.id, {}), peak=peak_by_station.get(station.id))
        for station in registry.stations.values()
        if area in {None, station.area}
    ]


def name_areas(formats: Formats, area: str | None) -> str:
    """The names of the areas as a text."""
    areas = formats.registry.areas
    return ", ".join(row.name for row in areas.values() if area in {None, row.id}) or "Piekwacht"


def choose_first_screen(
    formats: Formats, gazetteer: Gazetteer, situations: Situations, wanted_place: str
) -> FirstScreen:
    """The first screen for a place as a reader typed it; empty: for all stations."""
    place = gazetteer.search(wanted_place) if wanted_place.strip() else None
    if place is None or isinstance(place, SearchFailure):
        problem = "" if place is None else formats.texts[place].format(text=wanted_place.strip()[:40])
        nearest = [NearStation(situation=item, distance=None) for item in situations.items[:NEAREST_COUNT]]
        return FirstScreen(
            place=None,
            problem=problem,
            headline=situations.headline,
            facts=situations.facts,
            state=situations.state,
            plume=situations.plume,
            nearest=nearest,
        )
    return _build_local_screen(formats, place, situations)


def _build_local_screen(formats: Formats, place: PlaceName, situations: Situations) -> FirstScreen:
    """The first screen of a place: the worst of the nearest three stations answers for it.

    A guest answers only if all three are guests.
    """
    by_station = {item.station: item for item in situations.items}
    ranked = sort_by_distance(formats.registry.stations.values(), place.latitude, place.longitude)
    nearest = [
        NearStation(situation=by_station[station.id], distance=distance)
        for distance, station in ranked
        if station.id in by_station
    ][:NEAREST_COUNT]
    if not nearest:
        return FirstScreen(
            place=place, problem="", headline=situations.headline, facts=[], state="no_data", plume=None, nearest=[]
        )
    worst = max(nearest, key=lambda item: (not is_guest(item.situation.station), item.situation.rank)).situation
    headline = worst.headline
    if worst.state in {"quiet", "no_data"}:
        headline = formats.texts[f"air_{worst.state}_place"].format(place=place.name)
    facts = list(worst.facts)
    if nearest[0].distance is not None and nearest[0].distance > _FAR_METRES:
        facts.append(formats.texts["air_far"].format(distance=formats.distance(nearest[0].distance)))
    facts += describe_guest_peaks(formats, worst.state, [item.situation for item in nearest])
    elsewhere = [item for item in situations.items if item.state == "peak" and not is_guest(item.station)]
    if elsewhere and worst.state != "peak":
        facts.append(formats.texts["air_elsewhere"].format(headline=elsewhere[0].headline))
    return FirstScreen(
        place=place,
        problem="",
        headline=headline,
        facts=facts,
        state=worst.state,
        plume=worst.plume,
        nearest=nearest,
    )
