"""For inspectors' programs: silences, acknowledgements, and why somebody was told or not. With a key or a session."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response

from gateway.api.http import cursor
from gateway.api.http.openapi import answers_with, body_of
from gateway.api.http.problems import only_known_parameters
from gateway.api.inspector import service
from gateway.api.schemas import inspector as s
from gateway.api.schemas.schema import instant

T = TypeVar("T")

_SIGNED_IN: dict[str, Any] = {"security": [{"key": []}, {"session": []}]}
router = APIRouter(dependencies=[Depends(only_known_parameters)], tags=["duty"])
LanguageText = Annotated[service.Language, Query(description="of the sentences")]


def _responses(shape: type, status: int = 200) -> dict[int | str, dict[str, Any]]:
    return answers_with(shape, status=status, private=True)


@router.get("/silences", summary="What is silenced, now or later", responses=_responses(s.Silences),
            openapi_extra=_SIGNED_IN)  # fmt: skip
async def list_silences(request: Request) -> Response:
    """Those that touch an area of yours."""
    return _json(s.Silences(items=[_silence(one) for one in await service.silences(request)]))


@router.post("/silences", summary="Silence what fits, until a moment, with a reason", status_code=201,
             responses=_responses(s.Silence, 201), openapi_extra={**_SIGNED_IN, **body_of(s.NewSilence)})  # fmt: skip
async def put_silence(request: Request) -> Response:
    """The author is who asks; nobody can name another."""
    made = await service.put(request, await _wanted(request))
    return _json(_silence(made), 201, Location=f"/api/v1/silences/{made.id}")


@router.post("/silences/preview", summary="What a silence would withhold of what goes on now",
             responses=_responses(s.SilencePreview), openapi_extra={**_SIGNED_IN, **body_of(s.NewSilence)})  # fmt: skip
async def preview_silence(request: Request) -> Response:
    """Changes nothing."""
    wanted = await _wanted(request)
    items = [
        s.SilencedAlert(
            event=one.alert.event_id,
            area=one.alert.area,
            station=one.alert.station,
            severity=one.alert.severity.value,
            headline=service.headline(one.alert, "nl"),
            told=list(one.told),
        )
        for one in await service.preview(request, wanted)
    ]
    return _json(s.SilencePreview(match=list(wanted.match), items=items))


@router.get("/silences/{id}", summary="One silence, over or not", responses=_responses(s.Silence),
            openapi_extra=_SIGNED_IN)  # fmt: skip
async def one_silence(request: Request, id: str) -> Response:  # noqa: A002 - the path's word
    """Also one that is over: it says why nobody was told then."""
    return _json(_silence(await service.silence(request, _number(id))))


@router.delete("/silences/{id}", summary="End a silence now; it stays in the record",
               responses=_responses(s.Silence, 204), status_code=204, openapi_extra=_SIGNED_IN)  # fmt: skip
async def end_silence(request: Request, id: str) -> Response:  # noqa: A002 - the path's word
    """Nothing is removed: its end is brought forward, and the record says by whom."""
    await service.end(request, _number(id))
    return Response(status_code=204)


@router.get("/events/{id}/acknowledgements", summary="Who is on it", responses=_responses(s.Acknowledgements),
            openapi_extra=_SIGNED_IN)  # fmt: skip
async def list_acknowledgements(request: Request, id: str) -> Response:  # noqa: A002 - the path's word
    """Oldest first: the first stopped the reminders."""
    return _json(_answers(await service.case(request, id)))


@router.post("/events/{id}/acknowledgements", summary="Say that you are on it: stops reminders and escalation",
             status_code=201, responses=_responses(s.Acknowledgements, 201),
             openapi_extra={**_SIGNED_IN, **body_of(s.NewAcknowledgement)})  # fmt: skip
async def acknowledge(request: Request, id: str) -> Response:  # noqa: A002 - the path's word
    """In the name of who asks."""
    given = await _body(request, s.NewAcknowledgement)
    return _json(_answers(await service.acknowledge(request, id, given.note)), 201)


@router.get("/events/{id}/explanation", summary="Who was told of an event and why, and why others were not",
            responses=_responses(s.Explanation), openapi_extra=_SIGNED_IN)  # fmt: skip
async def explain(request: Request, id: str, language: LanguageText = "nl") -> Response:  # noqa: A002 - the path's word
    """All that was seen, decided, sent and answered, in the order it happened."""
    found = await service.case(request, id)
    steps = [
        s.ExplanationStep(
            at=instant(step.at),
            code=type(step).__name__.lower(),
            sentence=service.said(step, language),
            particulars=service.particulars(step, language),
        )
        for step in found.steps
    ]
    return _json(
        s.Explanation(event=id, headline=service.headline(found.alert, language), ongoing=found.goes_on, items=steps)
    )


async def _wanted(request: Request) -> service.Wanted:
    service.reading(request)  # a stranger is told so before anything else
    given = await _body(request, s.NewSilence)
    starts, ends = cursor.moment("startsAt", given.starts_at), cursor.moment("endsAt", given.ends_at)
    if ends is None:
        raise HTTPException(400, "endsAt: say until when")
    return service.wanted(given.area, given.match, given.reason, starts, ends, given.kind)


async def _body(request: Request, shape: type[T]) -> T:
    service.reading(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(415, "send a body of application/json")
    try:
        return msgspec.json.decode(await request.body(), type=shape)
    except msgspec.DecodeError as error:
        raise HTTPException(400, f"body: {error}") from None


def _silence(one: service.Silence) -> s.Silence:
    return s.Silence(
        id=one.id,
        match=list(one.match),
        kind=one.kind,
        author=one.author,
        reason=one.reason,
        starts_at=instant(one.starts_at),
        ends_at=instant(one.ends_at),
        in_force=one.in_force(datetime.now(UTC)),
    )


def _answers(found: service.Case) -> s.Acknowledgements:
    items: Sequence[s.Acknowledgement] = [
        s.Acknowledgement(who=one.who, note=one.note, said_at=instant(one.at), via=one.via) for one in found.answers
    ]
    return s.Acknowledgements(event=found.alert.event_id, items=list(items))


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise HTTPException(404, f"there is no silence {text[:80]!r}")
    return int(text)


def _json(document: object, status: int = 200, **headers: str) -> Response:
    private = {"Cache-Control": "no-store", "Vary": "Authorization, Cookie", **headers}
    return Response(msgspec.json.encode(document), status, private, media_type="application/json")
