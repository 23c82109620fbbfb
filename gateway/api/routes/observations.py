"""Observations of a station or a datastream: pages of JSON, or the whole period as CSV or Parquet, streamed."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from msgspec import Raw
from starlette.responses import StreamingResponse

from gateway.api.data.database import Reader
from gateway.api.data.latest_values import Board
from gateway.api.http import cursor
from gateway.api.http.openapi import answers_with
from gateway.api.http.problems import only_known_parameters
from gateway.api.http.responses import answer, ownership
from gateway.api.routes.places import CursorText, board_of, number_of
from gateway.api.schemas.corrections import correction_of
from gateway.api.schemas.observations import Observations, Reading, reading_of
from gateway.api.schemas.schema import LICENCE, instant
from gateway.export import tables
from gateway.export.corrected import corrections
from gateway.export.rows import rows
from gateway.export.selection import Averaging, Format, Rows, Selection

router = APIRouter(dependencies=[Depends(only_known_parameters)], tags=["observations"])

_DAYS = {Averaging.RAW: 2, Averaging.MINUTE: 31, Averaging.HOUR: 731, Averaging.DAY: 7310}
_EXPORT_DAYS = {Averaging.RAW: 31, Averaging.MINUTE: 366, Averaging.HOUR: 3655, Averaging.DAY: 7310}
_FRESH = 2.0
_OVER = timedelta(hours=1)  # after its end a period changes only where data come late
_EXPORTS = asyncio.Semaphore(4)

Kind = Annotated[
    Literal["json", "csv", "parquet"] | None, Query(description="instead of the Accept header", alias="format")
]
Limit = Annotated[int, Query(ge=1, le=10_000)]
Moment = Annotated[str | None, Query(max_length=40, description="RFC 3339 with time zone")]
_ANSWERS = answers_with(Observations, "application/json", "text/csv", "application/vnd.apache.parquet")


@dataclass(frozen=True, kw_only=True)
class Page:
    """Which part of a selection is asked."""

    averaging: Averaging
    start: str | None
    end: str | None
    limit: int
    cursor: str | None


async def page(
    averaging: Annotated[Averaging, Query(description="raw: single readings")] = Averaging.MINUTE,
    start: Annotated[Moment, Query(description="from then; without it: a day before the end")] = None,
    end: Annotated[Moment, Query(description="until just before then; without it: now")] = None,
    limit: Limit = 1_440,
    cursor_: CursorText = None,
) -> Page:
    """The query parameters that all have in common."""
    return Page(averaging=averaging, start=start, end=end, limit=limit, cursor=cursor_)


@router.get(
    "/stations/{id}/observations", summary="What a station measured, newest first, in pages", responses=_ANSWERS
)
async def of_station(
    request: Request,
    id: str,  # noqa: A002 - the path's word
    asked: Annotated[Page, Depends(page)],
    property: Annotated[str, Query(description="such as pm2_5", max_length=100)] = "pm2_5",  # noqa: A002
    format_: Kind = None,
) -> Response:
    board = await board_of(request)
    board.known("station", id)
    board.check(property=property)
    return await _answer(request, board, asked, format_, (id, property, board.places.datastreams_of(id, property)))


@router.get("/datastreams/{id}/observations", summary="What one sensor measured", responses=_ANSWERS)
async def of_datastream(
    request: Request,
    id: str,  # noqa: A002 - the path's word
    asked: Annotated[Page, Depends(page)],
    format_: Kind = None,
) -> Response:
    board = await board_of(request)
    number = number_of(board, id)
    row = board.places.datastreams[number]
    return await _answer(request, board, asked, format_, (row[1], row[3], [number]))


async def _answer(
    request: Request, board: Board, asked: Page, format_: str | None, of: tuple[str, str, Sequence[int]]
) -> Response:
    station, observed_property, ids = of
    wanted = format_ or negotiated(request.headers.get("accept"))
    longest = (_DAYS if wanted == "json" else _EXPORT_DAYS)[asked.averaging]
    start, end = span(asked.start, asked.end, asked.averaging, longest)
    selection = board.places.selection(station, observed_property, (start, end), asked.averaging, ids)
    if wanted != "json":
        if asked.cursor is not None:
            raise HTTPException(400, f"cursor: {wanted} comes whole, not in pages")
        return stream(request, selection, Format(wanted))
    at, key, given = cursor.read(asked.cursor, datetime, int, int)

    async def make() -> Observations:
        page_ = await (_readings if asked.averaging is Averaging.RAW else _means)(
            request, selection, After(at=at, key=key, given=given or 0), asked.limit
        )
        return Observations(
            station=station,
            observed_property=observed_property,
            unit=selection.unit,
            averaging=asked.averaging.value,
            correction=correction_of(observed_property),
            start=instant(start),
            end=instant(end),
            items=list(page_[0]),
            next_cursor=page_[1],
            attribution=request.app.state.settings.operator,
        )

    return await answer(request, make, fresh=_FRESH if end > datetime.now(UTC) - _OVER else 30 * _FRESH)


@dataclass(frozen=True, kw_only=True)
class After:
    """Where the last page ended: its last row's time, its batch or datastream, and how many rows had just these."""

    at: Any = None
    key: Any = None
    given: Any = 0


Found = tuple[Sequence[Reading | Raw], str | None]  # `Raw`: a number of means as JSON, with commas between


async def _readings(request: Request, selection: Selection, after: After, limit: int) -> Found:
    """One page of single readings, and the cursor of the next."""
    reader: Reader = request.app.state.reader
    period = {"ids": list(selection.ids), "start": selection.start, "end": selection.end}
    place = {"before": after.at, "key": after.key, "given": after.given, "limit": limit + 1}
    found = await reader.rows("raw", {**period, **place})
    rows_ = found[:limit]
    more = cursor.write(rows_[-1][1], rows_[-1][4], _given(rows_, after)) if len(found) > limit else None
    if not rows_:
        return [], None
    correct = await corrections(selection, rows_[-1][1], rows_[0][1] + timedelta(microseconds=1), reader.rows)
    return [reading_of(row, correct(row[0], row[1], row[2], 1)) for row in rows_], more


async def _means(request: Request, selection: Selection, after: After, limit: int) -> Found:
    """One page of means, and the cursor of the next."""
    before = None if after.at is None else (after.at, after.key)
    shown: list[Raw] = []
    left, last = limit, None
    for part in await request.app.state.means.parts(selection, before, limit + 1):
        if left:
            shown.append(Raw(part.encoded(left)))
            last = part.dated[:left][-1]
        if len(part) > left:
            return shown, None if last is None else cursor.write(last[0], last[1].datastream, 0)
        left -= len(part)
    return shown, None


def _given(rows_: Sequence[Sequence[Any]], after: After) -> int:
    """How many rows with the last one's time and batch have been given up to here."""
    last = rows_[-1][1], rows_[-1][4]
    same = sum((row[1], row[4]) == last for row in rows_)
    return same + (int(after.given) if (after.at, after.key) == last else 0)


def stream(request: Request, selection: Selection, format_: Format) -> Response:
    """The whole selection as a file, made while it is sent; 503 where too many are being made."""
    if _EXPORTS.locked():
        raise HTTPException(503, "too many files are being made; try again in a minute", {"Retry-After": "60"})
    reader: Reader = request.app.state.reader
    notes = {"licence": LICENCE, "attribution": request.app.state.settings.operator}

    async def fetch(query: str, values: Mapping[str, Any]) -> Rows:
        return await reader.rows(query, values)

    async def parts() -> AsyncIterator[bytes]:
        async with _EXPORTS:
            async for part in tables.write(selection, rows(selection, fetch), format_, notes):
                yield part

    name = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in selection.name)
    headers = {
        "Content-Disposition": f'attachment; filename="{name}.{format_}"',
        "Cache-Control": "public, max-age=10",
        "Vary": "Accept",
        **ownership(request.app.state.settings),
    }
    return StreamingResponse(parts(), media_type=tables.MEDIA[format_], headers=headers)


def negotiated(accept: str | None) -> str:
    """json, csv or parquet by the Accept header's own order of weight; 406 where it wants none of them."""
    kinds = {"application/json": "json", "text/csv": "csv", "application/vnd.apache.parquet": "parquet"}
    best, weight = None, 0.0
    for part in (accept or "*/*").split(","):
        media, *parameters = (piece.strip().lower() for piece in part.split(";"))
        given = _weight(parameters)
        found = next((kind for name, kind in kinds.items() if media in {name, name.split("/")[0] + "/*", "*/*"}), None)
        if found is not None and given > weight:
            best, weight = found, given
    if best is None:
        raise HTTPException(406, f"Accept: there are {', '.join(kinds)}")
    return best


def _weight(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0


def span(start: str | None, end: str | None, averaging: Averaging, longest: int) -> tuple[datetime, datetime]:
    """The period [start, end); 400 where it makes no sense or is longer than `longest` days."""
    last = cursor.moment("end", end) or datetime.now(UTC)
    first = cursor.moment("start", start) or last - timedelta(days=1)
    if first >= last:
        raise HTTPException(400, "start: must be before end")
    if last - first > timedelta(days=longest):
        raise HTTPException(400, f"start: {averaging} values are given for at most {longest} days at a time")
    return first, last
