"""Feeds: Atom and RSS of events and of alerts, GeoJSON of now, CAP of one event, CSV of today."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.responses import StreamingResponse

from alerting.vocabulary import LOCAL
from gateway.api.data.averages import Means
from gateway.api.feeds import cap, syndication
from gateway.api.http.problems import only_known_parameters
from gateway.api.http.responses import answer, ownership
from gateway.api.pages.events import sentence
from gateway.api.pages.renderer import View, view_of
from gateway.api.routes import alerts, events, places
from gateway.api.routes.places import AreaId, board_of
from gateway.api.schemas.alerts import Alert
from gateway.api.schemas.events import Event
from gateway.api.schemas.schema import LICENCE
from gateway.export import tables
from gateway.export.selection import Averaging, Format

router = APIRouter(prefix="/feeds", dependencies=[Depends(only_known_parameters)], include_in_schema=False)

Lang = Annotated[Literal["nl", "en"], Query()]
_ENTRIES = 50
_FRESH = 10.0


async def _entries(view: View, what: str, area: str | None) -> list[syndication.Entry]:
    root = view.settings.public_url.rstrip("/")
    view.board.check(area=area)
    if what == "events":
        found = await events.found(view.request, _ENTRIES, area=area, kinds=events.PUBLIC)
        return [_event_entry(view, root, one) for one in found]
    told = await alerts.found(view.request, _ENTRIES, area=area)
    return [_alert_entry(view, root, one) for one in told]


def _event_entry(view: View, root: str, one: Event) -> syndication.Entry:
    row = view.board.places.stations.get(one.station)
    return syndication.Entry(
        id=f"{root}/events/{one.id}",
        link=f"{root}/{view.language}/events/{one.id}",
        title=f"{view.name_of(one.observed_property)}, {one.station_name}: "
        f"{view.number(one.peak)} {view.unit_of(one.unit)}",
        text=view.words["voided"] if one.change == "voided" else sentence(view, one),
        published=datetime.fromisoformat(one.detected_at),
        updated=datetime.fromisoformat(one.changed_at),
        point=None if row is None else (row[3], row[4]),
        also=f"{root}/feeds/events/{one.id}.cap",
    )


def _alert_entry(view: View, root: str, one: Alert) -> syndication.Entry:
    made = datetime.fromisoformat(one.finished_at or one.created_at)
    what = view.words.get(one.state, one.state)
    return syndication.Entry(
        id=f"{root}/api/v1/alerts/{one.id}",
        link=f"{root}/{view.language}/events/{one.event}",
        title=f"{one.receiver}: {view.name_of(one.observed_property)}, {one.station_name}",
        text=f"{view.words.get(one.channel, one.channel)}, {what}. "
        f"{view.number(one.peak)} {view.unit_of(one.unit)}, {view.dated(one.onset)}.",
        published=datetime.fromisoformat(one.created_at),
        updated=made,
    )


@router.get("/now.geojson")
async def now(request: Request, area: AreaId = None) -> Response:
    """The same as the stations of the API."""
    return await places.list_stations(request, area, 20_000, None)


@router.get("/events/{id}.cap")
async def common_alerting_protocol(request: Request, id: str) -> Response:  # noqa: A002 - the path's word
    """One event as CAP 1.2: for systems that take in warnings."""

    async def make() -> bytes:
        event = await events.known(request, id)
        view = view_of(request, "nl", "/nl", await board_of(request))
        row = view.board.places.stations[event.station]
        revisions = await events.revisions_of(request, id)
        return cap.alert(event, revisions, words=sentence(view, event), headline=_event_entry(view, "", event).title,
                         place=(row[3], row[4]), settings=view.settings)  # fmt: skip

    return await answer(request, make, fresh=_FRESH, media="application/cap+xml")


@router.get("/today.csv")
async def today(request: Request, property: Annotated[str, Query(max_length=100)] = "pm2_5") -> Response:  # noqa: A002
    """One-minute means of one property at every station since local midnight."""
    board = await board_of(request)
    board.check(property=property)
    house: Means = request.app.state.means
    end = datetime.now(UTC)
    start = end.astimezone(LOCAL).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
    selections = [
        board.places.selection(id_, property, (start, end), Averaging.MINUTE) for id_ in board.places.stations
    ]

    async def parts() -> AsyncIterator[bytes]:
        yield tables.head(Averaging.MINUTE)
        for selection in selections:
            if selection.ids:
                page = await house.page(selection, None, 2 * int(timedelta(days=1) / timedelta(minutes=1)))
                means = [mean for _, mean in reversed(page)]
                yield tables.mean_lines(selection, means)

    headers = {"Cache-Control": "public, max-age=60", **ownership(request.app.state.settings)}
    return StreamingResponse(parts(), media_type=tables.MEDIA[Format.CSV], headers=headers)


@router.get("/{what}.{kind}")
async def feed(
    request: Request,
    what: Literal["events", "alerts"],
    kind: Literal["atom", "rss"],
    lang: Lang = "nl",
    area: AreaId = None,
) -> Response:
    """The newest fifty."""
    settings = request.app.state.settings

    async def make() -> bytes:
        view = view_of(request, lang, f"/{lang}", await board_of(request))
        entries = await _entries(view, what, area)
        root = settings.public_url.rstrip("/")
        about = syndication.Feed(
            title=f"Piekwacht: {view.words['events' if what == 'events' else 'told'].lower()}",
            address=f"{root}{request.url.path}?lang={lang}",
            home=f"{root}/{lang}/",
            language=lang,
            author=settings.operator,
            rights=LICENCE,
        )
        return (syndication.atom if kind == "atom" else syndication.rss)(about, entries)

    media = "application/atom+xml" if kind == "atom" else "application/rss+xml"
    return await answer(request, make, fresh=_FRESH, media=f"{media}; charset=utf-8")
