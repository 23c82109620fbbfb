"""A page on loopback with the mails that the demo would have sent, the newest first. Links in them can be opened.

Nothing leaves this machine: the demo's mail server takes every mail, with any addressee.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import unquote

from alerting.templates import load_templates
from gateway.demo.loopback_server import LoopbackServer, QuietHandler
from gateway.demo.receivers import ReceivedNotification

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


class MailboxPage(LoopbackServer):
    """An HTTP server with the page. `received`: returns what came so far. A context manager."""

    def __init__(self, received: Callable[[], Sequence[ReceivedNotification]]) -> None:
        class Handler(QuietHandler):
            def do_GET(self) -> None:  # noqa: N802 - http.server's name
                content = render_mailbox(received()).encode()
                self.send_response(200)
                self.send_header("content-type", "text/html; charset=utf-8")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        super().__init__(Handler)
