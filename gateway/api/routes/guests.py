"""`POST /api/v1/guests/...`: messages of foreign sensors, each in its maker's own format.

The token stands in the address, or in `Authorization` as Bearer or as the password of Basic, because each maker's
firmware offers something else. A message is committed before it is answered.
"""

import base64
import binascii
from typing import Any, Literal

from fastapi import APIRouter, FastAPI, Request, Response
from msgspec import json

from gateway.api.http.openapi import describe_responses
from gateway.api.http.problems import build_problem
from gateway.api.schemas.guests import GuestReceipt
from gateway.guests.inbox import GuestInbox
from gateway.guests.receiver import GuestReceiver, Receipt, ReceiptState
from gateway.guests.settings import GuestSettings

router = APIRouter(prefix="/guests", tags=["guests"])
_STATUS = {
    ReceiptState.STORED: 200,
    ReceiptState.REPEATED: 200,
    ReceiptState.REFUSED: 422,
    ReceiptState.WRONG_TOKEN: 401,
    ReceiptState.RATE_LIMITED: 429,
    ReceiptState.TOO_LARGE: 413,
    ReceiptState.UNAVAILABLE: 503,
}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    **describe_responses(GuestReceipt, private=True),
    422: {"description": "The message is stored for the operator, and holds no reading; `detail` says why"},
}
_BODY: dict[str, Any] = {
    "security": [],
    "requestBody": {
        "required": True,
        "description": "a message as the sensor sends it",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    },
}


@router.post("", summary="Message of a foreign sensor", responses=_RESPONSES, openapi_extra=_BODY)
async def receive_message(request: Request) -> Response:
    """The token is the password of Basic, or that of Bearer."""
    return await _receive(request, _read_token(request.headers.get("authorization", "")), "")


@router.post("/{token}", summary="The same, with the token in the address", responses=_RESPONSES, openapi_extra=_BODY)
async def receive_message_by_token(request: Request, token: str) -> Response:
    """For sensors that send no header `Authorization`."""
    return await _receive(request, token, "")


@router.post(
    "/{token}/{path:path}", summary="The same, with a path of the maker", responses=_RESPONSES, openapi_extra=_BODY
)
async def receive_message_at_path(request: Request, token: str, path: str) -> Response:
    """For sensors that add a path to the address, such as AirGradient: sensors/airgradient:<serial>/measures."""
    return await _receive(request, token, path)


def install(app: FastAPI, dsn: str, settings: GuestSettings | None) -> None:
    """Give the application its receiver; the inbox of it is open while the application runs."""
    app.state.guest_inbox = GuestInbox(dsn)
    app.state.guest_receiver = GuestReceiver(app.state.guest_inbox, settings or GuestSettings())


async def _receive(request: Request, token: str, path: str) -> Response:
    receiver: GuestReceiver = request.app.state.guest_receiver
    receipt = await receiver.receive_post(
        token, await request.body(), headers=request.headers, path=path, address=request.state.address
    )
    return _respond(receipt)


def _respond(receipt: Receipt) -> Response:
    status = _STATUS[receipt.state]
    if status == 200:
        state: Literal["stored", "repeated"] = "stored" if receipt.state is ReceiptState.STORED else "repeated"
        content = json.encode(GuestReceipt(state=state, values=receipt.values))
        return Response(content, media_type="application/json", headers={"Cache-Control": "no-store"})
    problem = build_problem(status, receipt.detail)
    problem.headers["Cache-Control"] = "no-store"
    if status == 401:
        problem.headers["WWW-Authenticate"] = 'Basic realm="guests"'
    if receipt.wait_seconds:
        problem.headers["Retry-After"] = str(int(receipt.wait_seconds) + 1)
    return problem


def _read_token(authorization: str) -> str:
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return text.strip()
    try:
        user_and_password = base64.b64decode(text, validate=True).decode() if scheme.lower() == "basic" else ""
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return user_and_password.partition(":")[2]
