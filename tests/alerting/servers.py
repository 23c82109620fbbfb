"""An inspectorate's mail server and webhook on loopback, with the answers that a test states."""

import asyncio
import socket
import struct
import sys
import threading
import time
from contextlib import asynccontextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller

from gateway.system.child_process import find_free_port


class MailServer:
    """Answers each mail with the next of `answers`, the last one permanently; stores the received mails.

    `recipients`: address -> its answers to RCPT, in the same way; others are accepted.
    `tls`: "starttls" demands it, "tls" speaks nothing else; both show `certificate` (an SSLContext).
    """

    def __init__(self, *answers, tls="none", certificate=None, recipients=None):
        self.answers, self.received, self.recipients = list(answers or ["250 OK"]), [], recipients or {}
        tls_options = {
            "starttls": {"tls_context": certificate, "require_starttls": True},
            "tls": {"ssl_context": certificate},
        }
        self.controller = Controller(self, hostname="localhost", port=find_free_port(), **tls_options.get(tls, {}))

    async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802 - aiosmtpd's name
        answer = _next(self.recipients[address]) if address in self.recipients else "250 OK"
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - aiosmtpd's name
        answer = _next(self.answers)
        if answer.startswith("250"):
            self.received.append(envelope)
        return answer

    def __enter__(self):
        self.controller.start()
        return self

    def __exit__(self, *_):
        self.controller.stop()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        if not isinstance(sys.exception(), OSError):  # a client that gave up is no failure of the server
            super().handle_error(request, client_address)


class WebServer:
    """Answers each POST with the next of `statuses`, the last one permanently.

    0: hangs up without an answer; -1: takes five seconds; -2: resets the connection. A pair of a status and a
    dictionary: with these headers; the header `body` is the body that is sent, whatever its content-length states.
    """

    def __init__(self, *statuses, host="127.0.0.1"):
        self.statuses, self.requests = list(statuses or [204]), []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"] or 0))
                outer.requests.append((dict(self.headers), body))
                answer = _next(outer.statuses)
                status, headers = answer if isinstance(answer, tuple) else (answer, {})
                if status == -1:
                    time.sleep(5)
                    status = 204
                if status == 0:
                    self.connection.close()
                    return
                if status == -2:  # a reset instead of an answer
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.connection.close()
                    return
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("location", outer.url)
                for name, value in headers.items():
                    if name != "body":
                        self.send_header(name, value)
                self.end_headers()
                self.wfile.write(headers.get("body", "").encode())

            do_GET = do_PATCH = do_POST  # noqa: N815 - the library's names

            def log_message(self, *_):
                pass

        self.server = _Server((host, 0), Handler)
        self.url = f"http://localhost:{self.server.server_port}/hook"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def _next(answers):
    return answers.pop(0) if len(answers) > 1 else answers[0]


@asynccontextmanager
async def serve(talk):
    """Yield the port of a server that calls `talk` once, and wait until it has ended."""
    ended = asyncio.Event()

    async def run(reader, writer):
        with suppress(OSError, asyncio.IncompleteReadError):
            await talk(reader, writer)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        ended.set()

    async with await asyncio.start_server(run, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        await ended.wait()
