"""Reads what a dossier holds from the database, with the queries of the API, the exports and the record of alerts."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from math import hypot
from typing import Any, NoReturn

import msgspec

from alerting.decide.silence import Silence, index_silences
from alerting.record.cases import load_case_record
from gateway.api.data.loading import load_public_registry
from gateway.api.data.registry import PublicRegistry, StationRow
from gateway.api.pages.event_texts import choose_chart_period
from gateway.api.schemas.alerts import alert_from_columns
from gateway.api.schemas.detection import DetectionFigure, build_detection_figure
from gateway.api.schemas.events import (
    build_false_alarm,
    build_live_event,
    event_from_columns,
    revision_from_columns,
)
from gateway.documents.snapshot import Snapshot
from gateway.dossier.contents import (
    BatchExhibit,
    Chapter,
    Contents,
    DetectedEvent,
    Installation,
    NeighbourMinutes,
    NodeConfiguration,
    NodeCopy,
    Series,
    WindMinutes,
)
from gateway.dossier.errors import DossierError
from gateway.dossier.request import EventRequest, PeriodRequest
from gateway.evaluation.selftest.outcome import Exposure
from gateway.evaluation.selftest.statistics import DetectionRate
from gateway.export.rows import stream_rows
from gateway.export.selection import Averaging, MeanRow, Rows, Selection
from gateway.live.message import LiveEvent
from gateway.model.event import Event as DetectorEvent
from gateway.model.geodesy import bearing_and_distance, offset_metres
from gateway.model.properties import PROPERTIES
from gateway.quality.humidity_correction import HUMIDITY_PROPERTY

MAX_PERIOD = timedelta(hours=25)  # a legal day in October
_WIND_DIRECTION, _WIND_SPEED = "wind_direction", "wind_speed"
_MAX_NEIGHBOURS = 6
_MAX_EVENTS = 200
_MAX_REVISIONS = 500
_MAX_ALERTS = 1_000
_MAX_BATCHES = 20_000


@dataclass(frozen=True, kw_only=True)
class _RevisionRow:
    id: str
    revision: int
    newest_revision: int
    changed_at: datetime
    body: str
    area: str
    datastream: int
    node: str
    station_name: str
    unit: str
    levels: Sequence[float] | None
    severity: str
    parameters: str | None
    plume: str | None


@dataclass(frozen=True, kw_only=True)
class _EventId:
    id: str


@dataclass(frozen=True, kw_only=True)
class _Newest:
    revision: int


async def load_event_contents(snapshot: Snapshot, request: EventRequest, operator: str) -> Contents:
    """Read one event with what stood around it. Raises DossierError for an unknown event or revision."""
    registry = await load_public_registry(snapshot.fetch)
    event = await _load_event(snapshot, request.event, request.revision, operator)
    document = event.document
    period = choose_chart_period(event.onset, event.end, event.changed_at)
    span = period.start, period.end
    series = await _load_series(snapshot, registry, document.station, document.observed_property, span, event.node)
    if series is None:
        raise DossierError(f"event {document.id} has no datastream in the registry: the database is damaged")
    chapter = Chapter(
        observed_property=registry.properties[document.observed_property],
        series=series,
        events=[event],
        neighbours=await _load_neighbours(snapshot, registry, document.station, document.observed_property, span),
    )
    return await _load_surroundings(snapshot, request, registry, registry.stations[document.station], span, [chapter])


async def load_period_contents(snapshot: Snapshot, request: PeriodRequest, operator: str) -> Contents:
    """Read a period at a station: every property on which peaks are detected. Raises DossierError."""
    registry = await load_public_registry(snapshot.fetch)
    station = registry.stations.get(request.station)
    if station is None:
        raise DossierError(f"no station {request.station[:80]!r} in the registry")
    if not timedelta() < request.end - request.start <= MAX_PERIOD:
        raise DossierError("--from must be before --to, and at most 25 hours apart: make one dossier per day")
    span = request.start, request.end
    values = {"station": station.id, "start": span[0], "end": span[1], "limit": _MAX_EVENTS}
    ids = [row.id for row in await snapshot.fetch(_EventId, "select_events_of_station", values)]
    events = [await _load_event(snapshot, id_, None, operator) for id_ in ids]
    chapters = [
        chapter
        for name, row in PROPERTIES.items()
        if row.detection is not None and name in registry.properties
        for chapter in await _load_chapter(snapshot, registry, station, name, span, events)
    ]
    if not chapters:
        raise DossierError(f"station {station.id} has no readings on which peaks are detected in this period")
    return await _load_surroundings(snapshot, request, registry, station, span, chapters)


async def _load_chapter(  # noqa: PLR0917 - place, property, time and purpose
    snapshot: Snapshot,
    registry: PublicRegistry,
    station: StationRow,
    name: str,
    span: tuple[datetime, datetime],
    events: Sequence[DetectedEvent],
) -> list[Chapter]:
    """The chapter of one property; empty if the station did not measure it in the period."""
    chapter_events = [event for event in events if event.document.observed_property == name]
    node = chapter_events[0].node if chapter_events else None
    series = await _load_series(snapshot, registry, station.id, name, span, node)
    if series is None or not series.rows:
        return []
    return [Chapter(observed_property=registry.properties[name], series=series, events=chapter_events)]


async def _load_surroundings(  # noqa: PLR0917 - place, property, time and purpose
    snapshot: Snapshot,
    request: EventRequest | PeriodRequest,
    registry: PublicRegistry,
    station: StationRow,
    span: tuple[datetime, datetime],
    chapters: Sequence[Chapter],
) -> Contents:
    """Read what belongs to the station and the period."""
    humidity = await _load_series(snapshot, registry, station.id, HUMIDITY_PROPERTY, span, chapters[0].series.node)
    contents = Contents(
        request=request,
        registry=registry,
        station=station,
        area=registry.areas[station.area],
        start=span[0],
        end=span[1],
        chapters=chapters,
        humidity=humidity if humidity is not None and humidity.rows else None,
        wind=await _load_wind(snapshot, registry, station, span),
        around=[],
        silences=[],
        batches=[],
        installations=[],
        configurations=[],
        copies=[],
    )
    return await _load_records(snapshot, contents)


async def _load_records(snapshot: Snapshot, contents: Contents) -> Contents:
    """Add batches, nodes, other events and silences."""
    span = {"start": contents.start, "end": contents.end}
    ids = sorted({id_ for series in contents.series for id_ in series.selection.ids})
    batches = await snapshot.fetch(BatchExhibit, "select_batches", {"ids": ids, **span, "limit": _MAX_BATCHES + 1})
    if len(batches) > _MAX_BATCHES:
        raise DossierError(f"the period has more than {_MAX_BATCHES} signed batches: make a dossier of a shorter one")
    nodes = {"nodes": contents.nodes, **span}
    around = await snapshot.fetch(
        partial(event_from_columns, ""),
        "select_events_around",
        {"area": contents.area.id, **span, "limit": _MAX_EVENTS},
    )
    plume = contents.events[0].document.plume if isinstance(contents.request, EventRequest) else None
    plume_events = await snapshot.fetch(
        partial(event_from_columns, ""), "select_plume_events", {"plume": plume, "limit": _MAX_EVENTS}
    )
    own_ids = {event.document.id for event in contents.events}
    silences = await snapshot.fetch(Silence, "select_silences", {**span, "limit": _MAX_EVENTS})
    return replace(
        contents,
        batches=batches,
        around=[event for event in around if event.id not in own_ids],
        plume_events=plume_events,
        silences=_find_matching_silences(contents, silences),
        installations=await snapshot.fetch(Installation, "select_installations", {"station": contents.station.id}),
        configurations=await snapshot.fetch(NodeConfiguration, "select_configurations", nodes),
        copies=await snapshot.fetch(NodeCopy, "select_copies", nodes),
    )


def _find_matching_silences(contents: Contents, silences: Sequence[Silence]) -> list[Silence]:
    """The silences that match a property of the dossier, for any receiver."""
    index = index_silences(silences)
    matching = dict[int, Silence]()
    for chapter in contents.chapters:
        labels: dict[str, str | tuple[str, ...]] = {
            "area": contents.area.id,
            "station": contents.station.id,
            "property": chapter.observed_property.id,
            "kind": "peak",
        }
        matching |= {silence.id: silence for silence in index.find_matching(labels)}
    return [matching[id_] for id_ in sorted(matching)]


async def _load_event(snapshot: Snapshot, id_: str, revision: int | None, operator: str) -> DetectedEvent:
    rows = await snapshot.fetch(_RevisionRow, "select_revision", {"id": id_, "revision": revision})
    if not rows:
        newest = await snapshot.fetch(_Newest, "select_newest_revision", {"id": id_})
        if not newest:
            raise DossierError(f"no event {id_[:80]!r}; `GET /api/v1/events` lists them")
        raise DossierError(f"event {id_} has no revision {revision}; its newest is {newest[0].revision}")
    row = rows[0]
    event = msgspec.json.decode(row.body, type=DetectorEvent)
    judgements = await snapshot.fetch(build_false_alarm, "select_false_alarm_of_event", {"id": id_})
    live = LiveEvent(event=event, area=row.area, severity=row.severity, unit=row.unit, plume=row.plume)
    return DetectedEvent(
        document=build_live_event(live, row.station_name, row.changed_at, operator),
        newest_revision=row.newest_revision,
        datastream=row.datastream,
        node=row.node,
        noise=event.noise,
        levels=row.levels,
        parameters=row.parameters,
        detection_figures=await _load_detection_figures(snapshot, event, row.changed_at),
        revisions=await snapshot.fetch(revision_from_columns, "select_revisions", {"id": id_, "limit": _MAX_REVISIONS}),
        alerts=await snapshot.fetch(partial(alert_from_columns, operator), "select_alerts", _alert_filters(id_)),
        case_record=await load_case_record(snapshot.connection, id_),
        false_alarm=judgements[0] if judgements else None,
    )


def _alert_filters(event: str) -> Mapping[str, object]:
    unused = dict.fromkeys(("id", "area", "start", "end", "before"))
    return {**unused, "event": event, "limit": _MAX_ALERTS}


async def _load_detection_figures(
    snapshot: Snapshot, event: DetectorEvent, until: datetime
) -> Sequence[DetectionFigure]:
    """The self-test of the event's detector and property over the thirty days before; empty without one."""
    values = {"detector": event.detector, "property": event.observed_property, "until": until}
    rates = await snapshot.fetch(DetectionRate, "summarise_selftest_peaks", values)
    exposures = await snapshot.fetch(Exposure, "summarise_selftest_exposure", values)
    return [build_detection_figure(exposure, rates) for exposure in exposures]


async def _load_series(  # noqa: PLR0917 - place, property, time and purpose
    snapshot: Snapshot,
    registry: PublicRegistry,
    station: str,
    name: str,
    span: tuple[datetime, datetime],
    node: str | None,
) -> Series | None:
    """Readings of a property at a station; the minutes are those of `node`, or of the first node that measured it."""
    ids = registry.datastreams_of(station, name)
    if not ids:
        return None
    own_ids = [id_ for id_ in ids if node is None or registry.datastreams[id_].node == node] or list(ids)
    selection = registry.build_selection(station, name, span, Averaging.RAW)
    minute_selection = registry.build_selection(station, name, span, Averaging.MINUTE, own_ids[:1])
    return Series(
        selection=selection,
        minute_selection=minute_selection,
        node=registry.datastreams[own_ids[0]].node,
        rows=await _collect_rows(snapshot, selection),
        minute_rows=await _collect_rows(snapshot, minute_selection),
    )


async def _collect_rows(snapshot: Snapshot, selection: Selection) -> Rows:
    parts: AsyncIterator[Rows] = stream_rows(selection, snapshot.fetch_rows, _raise_error)
    return [row async for rows in parts for row in rows]


def _raise_error(_start: datetime, error: Exception) -> NoReturn:
    """A failed query ends the transaction, so nothing after it could be read."""
    raise error


async def _load_wind(
    snapshot: Snapshot, registry: PublicRegistry, station: StationRow, span: tuple[datetime, datetime]
) -> WindMinutes | None:
    """Wind at the station, else at the nearest station of the area that measured it in the period."""
    others = [row for row in registry.stations.values() if row.area == station.area]
    for candidate in sorted(others, key=partial(_distance, station)):
        direction = await _load_series(snapshot, registry, candidate.id, _WIND_DIRECTION, span, None)
        if direction is not None and direction.rows:
            speed = await _load_series(snapshot, registry, candidate.id, _WIND_SPEED, span, direction.node)
            return WindMinutes(station=candidate, direction=direction, speed=speed)
    return None


def _distance(station: StationRow, other: StationRow) -> tuple[float, str]:
    """Metres between two stations, then the id, so that the order is total."""
    return hypot(*offset_metres(station.latitude, station.longitude, other.latitude, other.longitude)), other.id


async def _load_neighbours(
    snapshot: Snapshot, registry: PublicRegistry, station_id: str, name: str, span: tuple[datetime, datetime]
) -> list[NeighbourMinutes]:
    """Minute means of the same property at the nearest other stations of the area."""
    station = registry.stations[station_id]
    others = [row for row in registry.stations.values() if row.area == station.area and row.id != station.id]
    nearest = sorted(others, key=partial(_distance, station))[:_MAX_NEIGHBOURS]
    ids = [id_ for other in nearest for id_ in registry.datastreams_of(other.id, name)]
    values = {"ids": ids, "start": span[0], "end": span[1]}
    rows: list[MeanRow] = (
        [MeanRow._make(row) for row in await snapshot.fetch_rows("export_1min", values)] if ids else []
    )
    return [
        _build_neighbour(
            station, other, [row for row in rows if registry.datastreams[row.datastream].station == other.id]
        )
        for other in nearest
        if registry.datastreams_of(other.id, name)
    ]


def _build_neighbour(station: StationRow, other: StationRow, rows: Sequence[Any]) -> NeighbourMinutes:
    bearing, distance = bearing_and_distance(station.latitude, station.longitude, other.latitude, other.longitude)
    means = [(row.start, row.mean) for row in rows]
    return NeighbourMinutes(station=other, distance=distance, bearing=bearing, means=means)
