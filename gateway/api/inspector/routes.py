"""The inspector API: silences, acknowledgements and explanations. It needs an API key or a session."""

from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response

from alerting.decide.silence import Silence
from alerting.message.texts import build_headline
from alerting.record.cases import Case, SilenceRequest
from alerting.record.history import AnyStep, DeliveryStep, answer_text, describe_step, describe_step_details
from alerting.vocabulary import Language
from gateway.api.http import cursor
from gateway.api.http.openapi import describe_body, describe_responses
from gateway.api.http.parameters import ItemId
from gateway.api.http.problems import reject_unknown_parameters
from gateway.api.inspector import service
from gateway.api.schemas import inspector as schemas
from gateway.model.timestamps import format_instant

T = TypeVar("T")

SECURITY: dict[str, Any] = {"security": [{"key": []}, {"session": []}]}
router = APIRouter(dependencies=[Depends(reject_unknown_parameters)], tags=["inspector"])
LanguageText = Annotated[Language, Query(description="language of the sentences")]


def describe(schema_type: type, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route for inspectors."""
    return describe_responses(schema_type, status=status, private=True)


@router.get("/silences", summary="Silences in force or to come", responses=describe(schemas.Silences),
            openapi_extra=SECURITY)  # fmt: skip
async def list_silences(request: Request) -> Response:
    """The silences that touch one of your areas."""
    silences, set_aside = await service.list_silences(request), await service.find_silences_set_aside(request)
    items = [_build_silence(silence, set_aside.get(silence.id)) for silence in silences]
    return respond_json(schemas.Silences(items=items))


@router.post(
    "/silences",
    summary="Silence matching events until a time, with a reason",
    status_code=201,
    responses=describe(schemas.Silence, 201),
    openapi_extra={**SECURITY, **describe_body(schemas.NewSilence)},
)
async def create_silence(request: Request) -> Response:
    """The author is the account that sends the request."""
    silence = await service.create_silence(request, await _read_silence_request(request))
    set_aside = await service.find_silences_set_aside(request)
    return respond_json(
        _build_silence(silence, set_aside.get(silence.id)), 201, Location=f"/api/v1/silences/{silence.id}"
    )


@router.post(
    "/silences/preview",
    summary="The open events that a silence would withhold",
    responses=describe(schemas.SilencePreview),
    openapi_extra={**SECURITY, **describe_body(schemas.NewSilence)},
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
            headline=build_headline(case.alert, "nl"),
            told=list(case.notified_receivers),
        )
        for case in await service.preview_silence(request, silence_request)
    ]
    return respond_json(schemas.SilencePreview(match=list(silence_request.match), items=items))


@router.get("/silences/{id}", summary="One silence", responses=describe(schemas.Silence),
            openapi_extra=SECURITY)  # fmt: skip
async def get_silence(request: Request, id_: ItemId) -> Response:
    """Also one that has ended: it explains why nobody was notified then."""
    silence = await service.get_silence(request, _parse_silence_id(id_))
    set_aside = await service.find_silences_set_aside(request)
    return respond_json(_build_silence(silence, set_aside.get(silence.id)))


@router.delete(
    "/silences/{id}",
    summary="End a silence now; it stays in the record",
    responses=describe(schemas.Silence, 204),
    status_code=204,
    openapi_extra=SECURITY,
)
async def end_silence(request: Request, id_: ItemId) -> Response:
    """The silence is not deleted: its end is brought forward, and the record names the inspector."""
    await service.end_silence(request, _parse_silence_id(id_))
    return Response(status_code=204)


@router.get(
    "/events/{id}/acknowledgements",
    summary="Who acknowledged an event",
    responses=describe(schemas.Acknowledgements),
    openapi_extra=SECURITY,
)
async def list_acknowledgements(request: Request, id_: ItemId) -> Response:
    """Oldest first; the first one stopped the reminders."""
    return respond_json(_build_acknowledgements(await service.get_case(request, id_)))


@router.post("/events/{id}/acknowledgements", summary="Acknowledge an event: stops reminders and escalation",
             status_code=201, responses=describe(schemas.Acknowledgements, 201),
             openapi_extra={**SECURITY, **describe_body(schemas.NewAcknowledgement)})  # fmt: skip
async def acknowledge_event(request: Request, id_: ItemId) -> Response:
    """In the name of the account that sends the request."""
    body = await read_body(request, schemas.NewAcknowledgement)
    return respond_json(_build_acknowledgements(await service.acknowledge(request, id_, body.note)), 201)


@router.get("/events/{id}/explanation", summary="Who was notified of an event and why, and why others were not",
            responses=describe(schemas.Explanation), openapi_extra=SECURITY)  # fmt: skip
async def get_explanation(request: Request, id_: ItemId, language: LanguageText = "nl") -> Response:
    """Every revision, decision, delivery and acknowledgement, in order of time."""
    case = await service.get_case(request, id_)
    steps = [_build_explanation_step(step, language) for step in case.steps]
    return respond_json(
        schemas.Explanation(
            event=id_, headline=build_headline(case.alert, language), ongoing=case.is_ongoing, items=steps
        )
    )


def _build_addressees(step: AnyStep, language: Language) -> list[schemas.AddresseeAnswer]:
    return [
        schemas.AddresseeAnswer(
            addressee=entry.addressee, outcome=entry.outcome, answer=answer_text(entry.detail, language)
        )
        for entry in (step.addressees if isinstance(step, DeliveryStep) else ())
    ]


async def _read_silence_request(request: Request) -> SilenceRequest:
    service.require_inspector(request)  # 401 and 403 before the body is read
    body = await read_body(request, schemas.NewSilence)
    starts, ends = cursor.parse_instant("startsAt", body.starts_at), cursor.parse_instant("endsAt", body.ends_at)
    if ends is None:
        raise HTTPException(400, "endsAt: the end is missing")
    return await service.build_silence_request(body.area, body.match, body.reason, starts, ends, body.kind)


async def read_body(request: Request, schema_type: type[T]) -> T:
    """The body of a request; who may not send one gets 401 or 403 before it is read."""
    service.require_inspector(request)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise HTTPException(415, "send a body of application/json")
    try:
        return msgspec.json.decode(await request.body(), type=schema_type)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HTTPException(400, f"body: {error}") from None


def _build_explanation_step(step: AnyStep, language: Language) -> schemas.ExplanationStep:
    return schemas.ExplanationStep(
        at=format_instant(step.at),
        code=str(type(step).__struct_config__.tag),
        sentence=describe_step(step, language),
        particulars=describe_step_details(step, language),
        addressees=_build_addressees(step, language),
    )


def _build_silence(silence: Silence, set_aside: str | None) -> schemas.Silence:
    return schemas.Silence(
        id=silence.id,
        match=list(silence.match),
        kind=silence.kind,
        author=silence.author,
        reason=silence.reason,
        starts_at=format_instant(silence.starts_at),
        ends_at=format_instant(silence.ends_at),
        in_force=silence.is_in_force(datetime.now(UTC)),
        set_aside=set_aside,
    )


def _build_acknowledgements(case: Case) -> schemas.Acknowledgements:
    items = [
        schemas.Acknowledgement(who=entry.who, note=entry.note, said_at=format_instant(entry.at), via=entry.via)
        for entry in case.acknowledgements
    ]
    return schemas.Acknowledgements(event=case.alert.event_id, items=items)


def _parse_silence_id(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise HTTPException(404, f"there is no silence {text[:80]!r}")
    return int(text)


def respond_json(document: object, status: int = 200, **headers: str) -> Response:
    """A document for one person, which no cache may store."""
    all_headers = {"Cache-Control": "no-store", "Vary": "Authorization, Cookie", **headers}
    return Response(msgspec.json.encode(document), status, all_headers, media_type="application/json")
