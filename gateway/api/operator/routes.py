"""The operator API: what the pages at `/operator` show and do. It needs an API key or a session of an operator."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from msgspec import structs

from alerting.vocabulary import Language
from gateway.access.identity import Scope
from gateway.api.http.openapi import describe_body, describe_responses
from gateway.api.http.parameters import ItemId
from gateway.api.http.problems import reject_unknown_parameters
from gateway.api.operator import documents, service
from gateway.api.schemas import operator as schemas
from gateway.decoding.rejection import RejectionReason
from gateway.operator import audit, guests, quarantine

T = TypeVar("T")
SECURITY: dict[str, Any] = {"security": [{"key": []}, {"session": []}]}
router = APIRouter(prefix="/operator", dependencies=[Depends(reject_unknown_parameters)], tags=["operator"])
LanguageText = Annotated[Language, Query(description="language of the sentences")]
Limit = Annotated[int, Query(ge=1, le=1_000, description="number of items")]
_MAX_ID = 2**63 - 1


def describe(schema_type: type, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route for operators."""
    return describe_responses(schema_type, status=status, private=True)


@router.get("/nodes", summary="Every node of your areas, with what it reports",
            responses=describe(schemas.OperatorNodes), openapi_extra=SECURITY)  # fmt: skip
async def list_nodes(request: Request, language: LanguageText = "en") -> Response:
    """With data capture and doubts of each property, and what needs attention."""
    nodes = await service.read_fleet(request)
    return respond_json(schemas.OperatorNodes(items=[documents.build_node(node, language) for node in nodes]))


@router.get("/nodes/{id}", summary="One node", responses=describe(schemas.OperatorNode), openapi_extra=SECURITY)
async def get_node(request: Request, id_: ItemId, language: LanguageText = "en") -> Response:
    """As it is now; `revision` belongs into the next change."""
    return respond_json(documents.build_node(await service.read_node(request, id_), language))


@router.get("/quarantine", summary="The newest rejected payloads",
            responses=describe(schemas.QuarantinedMessages), openapi_extra=SECURITY)  # fmt: skip
async def list_quarantine(request: Request, reason: RejectionReason | None = None, limit: Limit = 100) -> Response:
    """Without their content."""
    entries = await service.read(
        request,
        lambda connection, actor: quarantine.list_payloads(connection, actor, limit, reason=reason),
        Scope.READ_QUARANTINE,
    )
    return respond_json(schemas.QuarantinedMessages(items=[documents.build_message(entry) for entry in entries]))


@router.get("/quarantine/{id}", summary="One rejected payload, with its content",
            responses=describe(schemas.QuarantinedMessage), openapi_extra=SECURITY)  # fmt: skip
async def get_quarantined(request: Request, id_: ItemId) -> Response:
    """The first 4,096 bytes as text."""
    number = parse_number(id_)
    payload = await service.read(
        request, lambda connection, actor: quarantine.get_payload(connection, actor, number), Scope.READ_QUARANTINE
    )
    return respond_json(documents.build_full_message(payload))


@router.post("/quarantine/retries", summary="Let the gateway decode payloads again", status_code=202,
             responses=describe(schemas.Retry, 202),
             openapi_extra={**SECURITY, **describe_body(schemas.NewRetry)})  # fmt: skip
async def create_retry(request: Request) -> Response:
    """All of them, or none if one is missing or of another area."""
    body = await read_body(request, schemas.NewRetry, "retry-payloads", "quarantine")
    if bool(body.ids) == (body.reason is not None):
        raise HTTPException(400, "give either ids or a reason")
    if body.reason is None:
        count = await service.retry_payloads(request, [check_number(id_) for id_ in body.ids])
    elif body.reason in set(RejectionReason):
        count = await service.retry_reason(request, RejectionReason(body.reason))
    else:
        raise HTTPException(400, f"reason: {body.reason[:40]!r} is none; there are: {', '.join(RejectionReason)}")
    return respond_json(schemas.Retry(count=count), 202)


@router.get("/storage", summary="Size and growth of the database", responses=describe(schemas.StorageReport),
            openapi_extra=SECURITY)  # fmt: skip
async def get_storage(request: Request) -> Response:
    """With the largest tables, and the disks that this server sees."""
    return respond_json(documents.build_storage(await service.read_storage(request)))


@router.get("/checks", summary="What `piekwacht doctor` finds", responses=describe(schemas.CheckFindings),
            openapi_extra=SECURITY)  # fmt: skip
async def list_checks(request: Request) -> Response:
    """For operators of every area."""
    results = await service.examine(request)
    if results is None:
        raise HTTPException(404, "this server cannot check the installation; run `piekwacht doctor`")
    return respond_json(
        schemas.CheckFindings(items=[schemas.CheckFinding(**structs.asdict(result)) for result in results])
    )


@router.get("/audit", summary="Who did what, with what it changed", responses=describe(schemas.AuditRecords),
            openapi_extra=SECURITY)  # fmt: skip
async def list_audit(
    request: Request, node: Annotated[str | None, Query(max_length=100)] = None, limit: Limit = 100
) -> Response:
    """Newest first; `node`: only about this node."""
    entries = await service.read(request, lambda connection, actor: audit.list_acts(connection, actor, limit, node))
    return respond_json(documents.build_audit(entries))


@router.get("/guests", summary="Sensors of others, with their owners", responses=describe(schemas.OperatorGuests),
            openapi_extra=SECURITY)  # fmt: skip
async def list_guests(request: Request) -> Response:
    """Tokens are stored hashed and in no list."""
    return respond_json(documents.build_guests(await service.read(request, guests.list_guests)))


async def read_body(request: Request, schema_type: type[T], action: str, object_: str) -> T:
    """The body of a request; who may not send one gets 401 or 403 before it is read."""
    await service.require_right_to_act(request, action, object_)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise HTTPException(415, "send a body of application/json")
    try:
        return msgspec.json.decode(await request.body(), type=schema_type)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HTTPException(400, f"body: {error}") from None


def parse_number(text: str) -> int:
    """The number of an item in an address; 404 for what cannot be one."""
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise HTTPException(404, f"there is no item {text[:80]!r}")
    return int(text)


def check_number(number: int) -> int:
    """The number of an item in a body; 400 for what the database cannot hold."""
    if not 0 <= number <= _MAX_ID:
        raise HTTPException(400, f"ids: {number} is no number of a payload")
    return number


def respond_json(document: object, status: int = 200, headers: Mapping[str, str] = {}) -> Response:
    """A document for one person, which no cache may store."""
    all_headers = {"Cache-Control": "no-store", "Vary": "Authorization, Cookie", **headers}
    return Response(msgspec.json.encode(document), status, all_headers, media_type="application/json")
