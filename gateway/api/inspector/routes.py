"""For inspectors' programs: silences, acknowledgements, and why somebody was told or not. With a key or a session."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response

from gateway.api.http import cursor
from gateway.api.http.openapi import describe_body, describe_responses
from gateway.api.http.problems import reject_unknown_parameters
from gateway.api.inspector import service
from gateway.api.schemas import inspector as schemas
from gateway.api.schemas.schema import format_instant

T = TypeVar("T")

_SECURITY: dict[str, Any] = {"security": [{"key": []}, {"session": []}]}
router = APIRouter(dependencies=[Depends(reject_unknown_parameters)], tags=["duty"])
LanguageText = Annotated[service.Language, Query(description="of the sentences")]


def _describe_responses(schema_type: type, status: int = 200) -> dict[int | str, dict[str, Any]]:
    return describe_responses(schema_type, status=status, private=True)


@router.get("/silences", summary="What is silenced, now or later", responses=_describe_responses(schemas.Silences),
            openapi_extra=_SECURITY)  # fmt: skip
async def list_silences(request: Request) -> Response:
    """Those that touch an area of yours."""
    return _json_response(
        schemas.Silences(items=[_build_silence(silence) for silence in await service.list_silences(request)])
    )


@router.post(
    "/silences",
    summary="Silence what fits, until a moment, with a reason",
    status_code=201,
    responses=_describe_responses(schemas.Silence, 201),
    openapi_extra={**_SECURITY, **describe_body(schemas.NewSilence)},
)
async def create_silence(request: Request) -> Response:
    """The author is who asks; nobody can name another."""
    silence = await service.create_silence(request, await _read_silence_request(request))
    return _json_response(_build_silence(silence), 201, Location=f"/api/v1/silences/{silence.id}")


@router.post(
    "/silences/preview",
    summary="What a silence would withhold of what goes on now",
    responses=_describe_responses(schemas.SilencePreview),
    openapi_extra={**_SECURITY, **describe_body(schemas.NewSilence)},
)
async def preview_silence(request: Request) -> Response:
    """Changes nothing."""
    silence_request = await _read_silence_request(request)
    items = [
        schemas.SilencedAlert(
            event=case.alert.event_id,
            area=case.alert.area,
            station=case.alert.station,
            severity=case.alert.severity.value,
            headline=service.build_headline(case.alert, "nl"),
            told=list(case.notified_receivers),
        )
        for case in await service.preview_silence(request, silence_request)
    ]
    return _json_response(schemas.SilencePreview(match=list(silence_request.match), items=items))


@router.get("/silences/{id}", summary="One silence, over or not", responses=_describe_responses(schemas.Silence),
            openapi_extra=_SECURITY)  # fmt: skip
async def get_silence(request: Request, id: str) -> Response:  # noqa: A002 - the path's word
    """Also one that is over: it says why nobody was told then."""
    return _json_response(_build_silence(await service.get_silence(request, _parse_silence_id(id))))


@router.delete(
    "/silences/{id}",
    summary="End a silence now; it stays in the record",
    responses=_describe_responses(schemas.Silence, 204),
    status_code=204,
    openapi_extra=_SECURITY,
)
async def end_silence(request: Request, id: str) -> Response:  # noqa: A002 - the path's word
    """Nothing is removed: its end is brought forward, and the record says by whom."""
    await service.end_silence(request, _parse_silence_id(id))
    return Response(status_code=204)


@router.get(
    "/events/{id}/acknowledgements",
    summary="Who is on it",
    responses=_describe_responses(schemas.Acknowledgements),
    openapi_extra=_SECURITY,
)
async def list_acknowledgements(request: Request, id: str) -> Response:  # noqa: A002 - the path's word
    """Oldest first: the first stopped the reminders."""
    return _json_response(_build_acknowledgements(await service.get_case(request, id)))


@router.post("/events/{id}/acknowledgements", summary="Say that you are on it: stops reminders and escalation",
             status_code=201, responses=_describe_responses(schemas.Acknowledgements, 201),
             openapi_extra={**_SECURITY, **describe_body(schemas.NewAcknowledgement)})  # fmt: skip
async def acknowledge_event(request: Request, id: str) -> Response:  # noqa: A002 - the path's word
    """In the name of who asks."""
    body = await _read_body(request, schemas.NewAcknowledgement)
    return _json_response(_build_acknowledgements(await service.acknowledge(request, id, body.note)), 201)


@router.get("/events/{id}/explanation", summary="Who was told of an event and why, and why others were not",
            responses=_describe_responses(schemas.Explanation), openapi_extra=_SECURITY)  # fmt: skip
async def get_explanation(request: Request, id: str, language: LanguageText = "nl") -> Response:  # noqa: A002 - the path's word
    """All that was seen, decided, sent and answered, in the order it happened."""
    case = await service.get_case(request, id)
    steps = [
        schemas.ExplanationStep(
            at=format_instant(step.at),
            code=str(type(step).__struct_config__.tag),
            sentence=service.describe_step(step, language),
            particulars=service.describe_step_details(step, language),
        )
        for step in case.steps
    ]
    return _json_response(
        schemas.Explanation(
            event=id, headline=service.build_headline(case.alert, language), ongoing=case.is_ongoing, items=steps
        )
    )


async def _read_silence_request(request: Request) -> service.SilenceRequest:
    service.require_inspector(request)  # a stranger is told so before anything else
    body = await _read_body(request, schemas.NewSilence)
    starts, ends = cursor.parse_instant("startsAt", body.starts_at), cursor.parse_instant("endsAt", body.ends_at)
    if ends is None:
        raise HTTPException(400, "endsAt: say until when")
    return service.build_silence_request(body.area, body.match, body.reason, starts, ends, body.kind)


async def _read_body(request: Request, schema_type: type[T]) -> T:
    service.require_inspector(request)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise HTTPException(415, "send a body of application/json")
    try:
        return msgspec.json.decode(await request.body(), type=schema_type)
    except msgspec.DecodeError as error:
        raise HTTPException(400, f"body: {error}") from None


def _build_silence(silence: service.Silence) -> schemas.Silence:
    return schemas.Silence(
        id=silence.id,
        match=list(silence.match),
        kind=silence.kind,
        author=silence.author,
        reason=silence.reason,
        starts_at=format_instant(silence.starts_at),
        ends_at=format_instant(silence.ends_at),
        in_force=silence.is_in_force(datetime.now(UTC)),
    )


def _build_acknowledgements(case: service.Case) -> schemas.Acknowledgements:
    items: Sequence[schemas.Acknowledgement] = [
        schemas.Acknowledgement(who=answer.who, note=answer.note, said_at=format_instant(answer.at), via=answer.via)
        for answer in case.acknowledgements
    ]
    return schemas.Acknowledgements(event=case.alert.event_id, items=list(items))


def _parse_silence_id(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise HTTPException(404, f"there is no silence {text[:80]!r}")
    return int(text)


def _json_response(document: object, status: int = 200, **headers: str) -> Response:
    all_headers = {"Cache-Control": "no-store", "Vary": "Authorization, Cookie", **headers}
    return Response(msgspec.json.encode(document), status, all_headers, media_type="application/json")
