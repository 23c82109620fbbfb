"""The inspector API of a plume: its judgements and notes, false alarms and known sources.

It calls the same functions as the buttons of the page. A judgement that a colleague gave before is refused with 409 and
the colleague's name, so that a program never takes its own request for the one that counts.
"""

from datetime import date

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from msgspec import structs

from alerting.record.plume_answers import EarlierAnswer, NamedSource
from gateway.api.http.openapi import describe_body
from gateway.api.http.parameters import ItemId
from gateway.api.http.problems import reject_unknown_parameters
from gateway.api.inspector import plume_service
from gateway.api.inspector.plume_service import SourceForm
from gateway.api.inspector.routes import SECURITY, describe, read_body, respond_json
from gateway.api.schemas import inspector as schemas
from gateway.api.schemas.schema import format_instants
from gateway.model.timestamps import format_instant

router = APIRouter(dependencies=[Depends(reject_unknown_parameters)], tags=["inspector"])


@router.get("/plumes/{id}/answers", summary="What inspectors answered about a plume",
            responses=describe(schemas.StatedAnswers), openapi_extra=SECURITY)  # fmt: skip
async def list_answers(request: Request, id_: ItemId) -> Response:
    """Also false alarms that were withdrawn and sources that ended."""
    return respond_json(await _load_answers(request, id_))


@router.post("/plumes/{id}/false-alarms", summary="State that a plume was a false alarm", status_code=201,
             responses=describe(schemas.StatedAnswers, 201),
             openapi_extra={**SECURITY, **describe_body(schemas.NewFalseAlarm)})  # fmt: skip
async def create_false_alarm(request: Request, id_: ItemId) -> Response:
    """Everybody who was notified gets a correction; 409 if a false alarm is in force, or the plume changed."""
    body = await read_body(request, schemas.NewFalseAlarm)
    earlier = await plume_service.state_false_alarm(request, id_, body.cause, body.note, body.seen)
    _require_first(earlier, "a false alarm")
    return respond_json(await _load_answers(request, id_), 201)


@router.delete("/plumes/{id}/false-alarms", summary="Withdraw the false alarm of a plume", status_code=204,
               responses=describe(schemas.StatedAnswers, 204), openapi_extra=SECURITY)  # fmt: skip
async def withdraw_false_alarm(request: Request, id_: ItemId) -> Response:
    """Receivers of the correction are notified that it was a peak; 404 if no false alarm is in force."""
    await plume_service.withdraw_false_alarm(request, id_)
    return Response(status_code=204)


@router.post("/plumes/{id}/known-sources", summary="Name the permitted source of a plume", status_code=201,
             responses=describe(schemas.StatedAnswers, 201),
             openapi_extra={**SECURITY, **describe_body(schemas.NewKnownSource)})  # fmt: skip
async def create_known_source(request: Request, id_: ItemId) -> Response:
    """It also acknowledges the plume; 409 if the plume has a known source in force, or changed."""
    body = await read_body(request, schemas.NewKnownSource)
    form = SourceForm(
        name=body.name, legal_basis=body.legal_basis, until=body.until, level=str(body.level), scope=body.scope
    )
    _require_first(await plume_service.name_source(request, id_, form, body.seen), "a known source")
    return respond_json(await _load_answers(request, id_), 201)


@router.get("/known-sources", summary="Known sources in force in your areas",
            responses=describe(schemas.PermittedSources), openapi_extra=SECURITY)  # fmt: skip
async def list_known_sources(request: Request) -> Response:
    """The first to end first. Sources of the configuration are not in it."""
    sources = await plume_service.list_sources(request)
    return respond_json(schemas.PermittedSources(items=[_build_source(source) for source in sources]))


@router.delete("/known-sources/{id}", summary="End a known source now", status_code=204,
               responses=describe(schemas.PermittedSources, 204), openapi_extra=SECURITY)  # fmt: skip
async def end_known_source(request: Request, id_: ItemId) -> Response:
    """It stays in the record; 404 if it has ended already."""
    if not (id_.isascii() and id_.isdecimal() and len(id_) < 19):
        raise HTTPException(404, f"there is no known source {id_[:80]!r}")
    await plume_service.end_source(request, int(id_))
    return Response(status_code=204)


async def _load_answers(request: Request, id_: str) -> schemas.StatedAnswers:
    inspected = await plume_service.inspect_plume(request, id_)
    answers = inspected.answers
    return schemas.StatedAnswers(
        plume=id_,
        seen=inspected.seen,
        false_alarms=[
            schemas.StatedFalseAlarm(**format_instants(structs.asdict(item))) for item in answers.false_alarms
        ],
        known_sources=[_build_source(source) for source in answers.sources],
        notes=[schemas.PlumeNote(**format_instants(structs.asdict(note))) for note in answers.notes],
    )


def _build_source(source: NamedSource) -> schemas.PermittedSource:
    fields = {**structs.asdict(source), "until": date.isoformat(source.until), "match": list(source.match)}
    return schemas.PermittedSource(**format_instants(fields))


def _require_first(earlier: EarlierAnswer | None, what: str) -> None:
    if earlier is not None:
        raise HTTPException(409, f"{earlier.author} stated {what} on {format_instant(earlier.at)}; nothing was stored")
