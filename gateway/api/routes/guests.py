"""`POST /api/v1/guests/...`: messages of foreign sensors, each in its maker's own format.

The token stands in the address, or in `Authorization` as Bearer or as the password of Basic, because each maker's
firmware offers something else. A message is committed before it is answered.
"""

import base64
import binascii
from typing import Any, Literal

from fastapi import APIRouter, FastAPI, Request, Response
from msgspec import json
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.access.middleware import GUEST_PATH, is_guest_path
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


def _describe_part(name: str) -> dict[str, Any]:
    """A part of the address in the OpenAPI document."""
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


_BODY: dict[str, Any] = {
    "security": [],
    "requestBody": {
        "required": True,
        "description": "a message as the sensor sends it",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    },
}


@router.post("", summary="Message of a foreign sensor", responses=_RESPONSES, openapi_extra=_BODY)
@router.post(
    "/{token}",
    summary="Message of a foreign sensor, with the token in the address",
    responses=_RESPONSES,
    openapi_extra={**_BODY, "parameters": [_describe_part("token")]},
)
@router.post(
    "/{token}/{path:path}",
    summary="Message of a foreign sensor, with the token and a path of its maker in the address",
    responses=_RESPONSES,
    openapi_extra={**_BODY, "parameters": [_describe_part("token"), _describe_part("path")]},
)
async def receive_message(request: Request) -> Response:
    """The answer has one sentence for the person who configured the sensor."""
    token, _, path = request.scope["path"].removeprefix(GUEST_PATH).lstrip("/").partition("/")
    receiver: GuestReceiver = request.app.state.guest_receiver
    receipt = await receiver.receive_post(
        token or _read_token(request.headers.get("authorization", "")),
        await request.body(),
        headers=request.headers,
        path=path,
        address=request.state.address,
    )
    return _respond(receipt)


class GuestMiddleware:
    """ASGI middleware: answers posts of sensors before the routes are searched, which takes longer than the rest."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a post of a sensor; leave everything else to the application."""
        if scope["type"] == "http" and scope["method"] == "POST" and is_guest_path(scope["path"]):
            response = await receive_message(Request(scope, receive))
            await response(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def install(app: FastAPI, dsn: str, settings: GuestSettings | None) -> None:
    """Give the application its receiver, whose inbox is open while the application runs.

    Called before the access middleware is installed, so that its limit of bodies and its addresses apply here.
    """
    app.add_middleware(GuestMiddleware)
    app.state.guest_inbox = GuestInbox(dsn)
    app.state.guest_receiver = GuestReceiver(app.state.guest_inbox, settings or GuestSettings())


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
