"""An HTTP server of the demo on loopback, on a free port."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

HOST = "127.0.0.1"


class QuietHandler(BaseHTTPRequestHandler):
    """Answers one request, and prints nothing."""

    def log_message(self, *_: object) -> None:
        """Print nothing: the demo's own screen is in use."""


class LoopbackServer:
    """Serves with `handler` in a thread. `url` is its address with `path`. A context manager."""

    def __init__(self, handler: type[QuietHandler], path: str = "/") -> None:
        self._server = ThreadingHTTPServer((HOST, 0), handler)
        self.url = f"http://{HOST}:{self._server.server_port}{path}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
