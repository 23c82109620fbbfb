"""An inspectorate's mailbox and webhook, on loopback: they take what comes and remember it."""

import email
import email.policy
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from gateway.demo.loopback_server import HOST, LoopbackServer, QuietHandler
from gateway.system.child_process import find_free_port


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
        self._controller = Controller(_SmtpHandler(on_received), hostname=HOST, port=self.port)

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


class Webhook(LoopbackServer):
    """An HTTP server that answers 204 to every POST. A context manager."""

    def __init__(self, on_received: OnReceived) -> None:
        class Handler(QuietHandler):
            def do_POST(self) -> None:  # noqa: N802 - http.server's name
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                on_received(_parse_webhook(body))
                self.send_response(204)
                self.end_headers()

        super().__init__(Handler, "/piekwacht")


def _parse_webhook(body: bytes) -> ReceivedNotification:
    try:
        title = str(json.loads(body).get("type", "?"))
    except (ValueError, AttributeError):
        title = "not a CloudEvent"
    return ReceivedNotification(
        at=datetime.now(UTC), channel="webhook", title=title, body=body.decode(errors="replace")
    )
