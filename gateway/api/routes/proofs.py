"""`/batches/.../proof`, `/batches/.../evidence` and `/stations/.../evidence`: files that prove themselves, offline.

A proof shows that a batch is in the public log. An evidence file has the signed bytes, the key, rules and events too.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, Response
from starlette.responses import PlainTextResponse

from gateway.api.data.database import Database
from gateway.api.data.evidence import EvidenceBuilder, LoggedBatch, LogProvers, fetch_batch, fetch_claim, prove_batch
from gateway.api.data.latest_values import require_row
from gateway.api.http import cursor
from gateway.api.http.openapi import describe_file
from gateway.api.http.parameters import ItemId
from gateway.api.http.problems import reject_unknown_parameters
from gateway.api.http.responses import licence_headers
from gateway.api.routes.places import get_latest_values
from gateway.verification.evidence_file import FILE_ENDING, MEDIA_TYPE, EvidenceFile

router = APIRouter(dependencies=[Depends(reject_unknown_parameters)], tags=["proofs"])

Incarnation = Annotated[str, Path(description="incarnation of the node's spool", max_length=64)]
Number = Annotated[int, Path(description="number of the batch", ge=1, lt=2**62)]
_BATCH_PATH = "/batches/{node}/{incarnation}/{number}"
_MAX_AGE = {"Cache-Control": "public, max-age=10"}


async def read_batch(
    request: Request, node: Annotated[str, Path(max_length=100)], incarnation: Incarnation, number: Number
) -> LoggedBatch:
    """Dependency: the batch of the path."""
    return await fetch_batch(request.app.state.database, node, incarnation, number)


BatchOfPath = Annotated[LoggedBatch, Depends(read_batch)]
_EVIDENCE: dict[int | str, dict[str, Any]] = describe_file(
    "The evidence file", MEDIA_TYPE, {"format": "piekwacht/evidence@v1", "claim": None}
)


@router.get(
    f"{_BATCH_PATH}/proof",
    summary="Proof that a batch is in the public log (.tlog-proof)",
    responses=describe_file(
        "The proof, as https://c2sp.org/tlog-proof describes it", "text/plain", "c2sp.org/tlog-proof@v1\nindex 0\n"
    ),
)
async def get_proof(request: Request, batch: BatchOfPath) -> Response:
    """The proof against the newest published head of the log."""
    text = await prove_batch(request.app.state.public_log, batch)
    headers = {**_MAX_AGE, **_attachment(f"{batch.node}-{batch.incarnation}-{batch.number}.tlog-proof")}
    return PlainTextResponse(text, headers=headers)


@router.get(f"{_BATCH_PATH}/evidence", summary="Evidence of a batch, checkable offline", responses=_EVIDENCE)
async def get_batch_evidence(request: Request, batch: BatchOfPath) -> Response:
    """Signed bytes, key of the node and proofs of a batch. 403 for those with the exact rides of a resident."""
    database: Database = request.app.state.database
    if await database.fetch_rows("select_private_carriers", {"node": batch.node}):
        raise HTTPException(403, f"{batch.describe()} has exact places of a resident: only its proof is public")
    builder = EvidenceBuilder(database, LogProvers(request.app.state.public_log), batch)
    file_name = f"{batch.node}-{batch.incarnation}-{batch.number}{FILE_ENDING}"
    return _respond(request, await builder.build(None), file_name)


@router.get("/stations/{id}/evidence", summary="Evidence of one value, checkable offline", responses=_EVIDENCE)
async def get_value_evidence(
    request: Request,
    id_: ItemId,
    at: Annotated[str, Query(description="time of the reading, RFC 3339 with milliseconds", max_length=40)],
    property_: Annotated[str, Query(alias="property", description="such as pm2_5", max_length=100)] = "pm2_5",
) -> Response:
    """The value as signed and as published, with its batch, rules, events and proofs."""
    database: Database = request.app.state.database
    latest_values = await get_latest_values(request)
    require_row(latest_values.registry.stations, "station", id_)
    latest_values.check_parameters(observed_property=property_)
    moment = cursor.parse_instant("at", at)
    if moment is None:
        raise HTTPException(400, "at: give the time of the reading")
    claim = await fetch_claim(database, latest_values.registry, id_, property_, moment)
    builder = EvidenceBuilder(database, LogProvers(request.app.state.public_log), claim.batch)
    stamp = claim.value.observed_at.replace(":", "").replace("-", "")
    return _respond(request, await builder.build(claim), f"{id_}-{property_}-{stamp}{FILE_ENDING}")


def _respond(request: Request, evidence: EvidenceFile, file_name: str) -> Response:
    headers = {**_MAX_AGE, **_attachment(file_name), **licence_headers(request.app.state.settings)}
    return Response(evidence.encode(), media_type=MEDIA_TYPE, headers=headers)


def _attachment(file_name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{file_name}"'}
