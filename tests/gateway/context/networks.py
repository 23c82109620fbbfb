"""Luchtmeetnet and KNMI on loopback, which answer as their APIs do, with the values that a test states."""

import json
import threading
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class Networks:
    """Both APIs. `rows`: measurements of Luchtmeetnet; `series`: values of KNMI by parameter."""

    def __init__(self, *, rows=(), times=(), series=None, key="secret-key", page_size=2, status=200, body=None):
        self.rows, self.times, self.series = list(rows), list(times), series or {}
        self.key, self.page_size, self.status, self.body = key, page_size, status, body
        self.requests = []

    def answer(self, path, headers):
        self.requests.append((path, dict(headers)))
        if self.status != 200:
            return self.status, b'{"message": "no"}'
        if self.body is not None:
            return 200, self.body
        parts = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path.startswith("/open_api/"):
            return 200, json.dumps(self.page(int(query.get("page", "1")))).encode()
        if headers.get("Authorization") != self.key:
            return 403, b'{"message": "forbidden"}'
        return 200, json.dumps(self.coverage(query["parameter-name"].split(","))).encode()

    def page(self, number):
        pages = [self.rows[n : n + self.page_size] for n in range(0, len(self.rows), self.page_size)] or [[]]
        return {
            "pagination": {
                "last_page": len(pages), "first_page": 1, "prev_page": max(1, number - 1), "current_page": number,
                "page_list": list(range(1, len(pages) + 1)), "next_page": min(len(pages), number + 1),
            },
            "data": pages[number - 1],
        }  # fmt: skip

    def coverage(self, names):
        return {
            "type": "CoverageCollection",
            "coverages": [
                {
                    "type": "Coverage",
                    "domain": {
                        "type": "Domain", "domainType": "PointSeries",
                        "axes": {"x": {"values": [4.6]}, "y": {"values": [52.5]}, "t": {"values": self.times}},
                    },
                    "ranges": {
                        name: {"type": "NdArray", "dataType": "float", "axisNames": ["t", "y", "x"],
                               "shape": [len(self.times), 1, 1], "values": values}
                        for name, values in self.series.items() if name in names
                    },
                }
            ],
        }  # fmt: skip


@contextmanager
def running(networks):
    """Yield the address of the server."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, body = networks.answer(self.path, self.headers)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def row(end, value, formula="PM25"):
    """A measurement as Luchtmeetnet writes it; `end`: of its hour."""
    return {"formula": formula, "value": value, "timestamp_measured": end.isoformat()}


def last_hour(now: datetime, back=0) -> datetime:
    """The end of a whole hour before now."""
    return now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=back)
