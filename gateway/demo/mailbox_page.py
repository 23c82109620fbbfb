"""A page on loopback with the mails that the demo would have sent, the newest first. Links in them can be opened.

Nothing leaves this machine: the demo's mail server takes every mail, with any addressee.
"""

import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import unquote

from alerting.templates import load_templates
from gateway.demo.receivers import ReceivedNotification

_HOST = "127.0.0.1"
_MAX_SHOWN = 100
_TEMPLATES = load_templates(Path(__file__).parent)


def render_mailbox(received: Sequence[ReceivedNotification]) -> str:
    """Return the page."""
    mails = [item for item in received if item.channel == "e-mail"][::-1][:_MAX_SHOWN]
    shown = [{"mail": item, "lines": [_split_link(line) for line in item.body.splitlines()]} for item in mails]
    return _TEMPLATES.get_template("mailbox.html").render(mails=shown)


def _split_link(line: str) -> tuple[str, str]:
    """Return the text in front of a link, and the link; either may be empty."""
    text, scheme, address = line.partition("http://127.0.0.1:")
    return (text, scheme + address) if scheme and " " not in unquote(address) else (line, "")


class MailboxPage:
    """An HTTP server with the page. `received`: returns what came so far. A context manager."""

    def __init__(self, received: Callable[[], Sequence[ReceivedNotification]]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = render_mailbox(received()).encode()
                self.send_response(200)
                self.send_header("content-type", "text/html; charset=utf-8")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer((_HOST, 0), Handler)
        self.url = f"http://{_HOST}:{self._server.server_port}/"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
