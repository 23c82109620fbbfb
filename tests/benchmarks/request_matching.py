"""Processor time of the start of the API's application, and of a request for an address that is matched late.

python -m tests.benchmarks.request_matching [--requests 500]

The peer is an application with the same routes added by FastAPI's own `include_router`. No server and no network take
part: the application is called as uvicorn calls it.
"""

import argparse
import asyncio
import statistics
import time

from fastapi import APIRouter, FastAPI

from gateway.api import route_table
from gateway.api.app import create_app
from gateway.api.http import static_files
from gateway.api.settings import ApiSettings
from gateway.mqtt.settings import BrokerSettings

_PATH = "/robots.txt"  # a page that reads no database; nearly all routes are tried before it


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--requests", type=int, default=500, help="requests of each application (500)")
    options = parser.parse_args()
    for name, build in (("Piekwacht", _build_flat), ("include_router", _build_included)):
        times = []
        for _ in range(3):
            static_files.load_files.cache_clear()  # a process reads them at its start
            started_ns = time.process_time_ns()
            app = build()
            asyncio.run(_request(app))
            times.append((time.process_time_ns() - started_ns) / 1e6)
        each = asyncio.run(_measure_requests(app, options.requests))
        print(f"{name}: start and first request {statistics.median(times):.0f} ms, each request {each:.3f} ms")


def _build_flat() -> FastAPI:
    route_table.list_routes.cache_clear()
    return create_app(ApiSettings(), "", BrokerSettings())


def _build_included() -> FastAPI:
    """The same application; every route is in an included router, as many of them as there are modules."""
    app = create_app(ApiSettings(), "", BrokerSettings())
    routes = route_table.list_routes()
    app.router.routes = [route for route in app.router.routes if route not in routes]
    for first in range(0, len(routes), 5):
        router = APIRouter()
        router.routes += routes[first : first + 5]
        app.include_router(router)
    return app


async def _measure_requests(app: FastAPI, count: int) -> float:
    await _request(app)
    started_ns = time.process_time_ns()
    for _ in range(count):
        await _request(app)
    return (time.process_time_ns() - started_ns) / 1e6 / count


async def _request(app: FastAPI) -> None:
    scope = {
        "type": "http", "method": "GET", "path": _PATH, "raw_path": _PATH.encode(), "query_string": b"", "headers": [],
        "scheme": "http", "http_version": "1.1", "server": ("localhost", 80), "client": ("127.0.0.1", 1),
    }  # fmt: skip

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, object]) -> None:
        if message.get("status", 200) != 200:
            raise SystemExit(f"{_PATH} answers {message['status']}")

    await app(scope, receive, send)


if __name__ == "__main__":
    main()
