"""An inspectorate's mailbox and webhook, on loopback: they take what comes and remember it."""

import email
import email.policy
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from gateway.system.child_process import find_free_port

_HOST = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class ReceivedNotification:
    """A mail or webhook that an inspector or a resident got. `to`: the addressees of a mail."""

    at: datetime
    channel: str
    title: str
    body: str
    to: str = ""


OnReceived = Callable[[ReceivedNotification], None]


class Mailbox:
    """An SMTP server. A context manager."""

    def __init__(self, on_received: OnReceived) -> None:
        self.port = find_free_port()
        self._controller = Controller(_SmtpHandler(on_received), hostname=_HOST, port=self.port)

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()


class _SmtpHandler:
    def __init__(self, on_received: OnReceived) -> None:
        self._on_received = on_received

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        message = email.message_from_bytes(content, policy=email.policy.default)
        part = message.get_body(preferencelist=("plain",))
        text = part.get_content() if part is not None else ""
        self._on_received(
            ReceivedNotification(
                at=datetime.now(UTC),
                channel="e-mail",
                title=str(message["subject"]),
                body=text.strip(),
                to=", ".join(envelope.rcpt_tos),
            )
        )
        return "250 OK"


class Webhook:
    """An HTTP server that answers 204 to every POST. A context manager."""

    def __init__(self, on_received: OnReceived) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                on_received(_parse_webhook(body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer((_HOST, 0), Handler)
        self.url = f"http://{_HOST}:{self._server.server_port}/piekwacht"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _parse_webhook(body: bytes) -> ReceivedNotification:
    try:
        title = str(json.loads(body).get("type", "?"))
    except (ValueError, AttributeError):
        title = "not a CloudEvent"
    return ReceivedNotification(
        at=datetime.now(UTC), channel="webhook", title=title, body=body.decode(errors="replace")
    )
