"""An inspectorate's mail server and webhook on loopback, which answer as a test wants."""

import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller

from gateway.system.child_process import find_free_port


class MailServer:
    """Answers each mail with the next of `answers`, the last one for ever; keeps what it took.

    `tls`: "starttls" demands it, "tls" speaks nothing else; both show `certificate` (an SSLContext).
    """

    def __init__(self, *answers, tls="none", certificate=None):
        self.answers, self.received = list(answers or ["250 OK"]), []
        tls_options = {
            "starttls": {"tls_context": certificate, "require_starttls": True},
            "tls": {"ssl_context": certificate},
        }
        self.controller = Controller(self, hostname="localhost", port=find_free_port(), **tls_options.get(tls, {}))

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - aiosmtpd's name
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer.startswith("250"):
            self.received.append(envelope)
        return answer

    def __enter__(self):
        self.controller.start()
        return self

    def __exit__(self, *_):
        self.controller.stop()


class WebServer:
    """Answers each POST with the next of `statuses`, the last one for ever.

    0: hangs up without an answer; -1: takes five seconds; -2: resets the connection.
    """

    def __init__(self, *statuses):
        self.statuses, self.requests = list(statuses or [204]), []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"] or 0))
                outer.requests.append((dict(self.headers), body))
                status = outer.statuses.pop(0) if len(outer.statuses) > 1 else outer.statuses[0]
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
                self.end_headers()

            do_GET = do_PATCH = do_POST  # noqa: N815 - the library's names

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://localhost:{self.server.server_port}/hook"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
