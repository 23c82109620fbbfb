"""The public face as one ASGI application, and the server that runs it. Stateless: run as many as you like."""

import asyncio
import contextlib
import errno
import secrets
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import cast

import uvicorn
from fastapi import FastAPI

from gateway.access import install
from gateway.api.data.averages import Means
from gateway.api.data.database import Reader
from gateway.api.data.latest_values import Board
from gateway.api.feeds import routes as feeds
from gateway.api.http import openapi, problems, static_files
from gateway.api.http.cache import Cache, Questions
from gateway.api.http.cache_middleware import Shortcut
from gateway.api.http.headers import VERSION, Headers
from gateway.api.http.responses import ownership
from gateway.api.inspector import routes as inspector
from gateway.api.inspector import service
from gateway.api.live import routes as live
from gateway.api.live.hub import Hub
from gateway.api.live.protocol import Door
from gateway.api.pages import routes as pages
from gateway.api.routes import acknowledge, alerts, basemap, detection, events, health, index, observations, places
from gateway.api.routes.basemap import Tiles
from gateway.api.schemas.schema import LICENCE
from gateway.api.settings import ApiSettings
from gateway.errors import StartError
from gateway.mqtt.settings import BrokerSettings
from gateway.system.gc_tuning import settle


def create_app(settings: ApiSettings, dsn: str, broker: BrokerSettings) -> FastAPI:
    """Everything wired; connections open with the application's lifespan."""
    reader = Reader(dsn)
    board = Board(reader)
    hub = Hub(settings, board)
    tiles = Tiles(settings.base_map)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with reader.opened(), tiles.opened():
            name = f"piekwacht-api-{secrets.token_hex(6)}"
            tasks = [
                asyncio.create_task(hub.listen(broker, name, board.committed)),
                asyncio.create_task(hub.keep_house()),
            ]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    app = FastAPI(
        title="Piekwacht",
        version=VERSION,
        description="Short peaks of pollution, live: stations, observations, events. Times are UTC, positions CRS84.",
        contact={"name": settings.operator, "url": settings.contact, "email": settings.email},
        license_info={"name": "CC BY 4.0", "url": LICENCE},
        servers=[{"url": settings.public_url}],
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.state.settings, app.state.reader, app.state.board, app.state.hub = settings, reader, board, hub
    app.state.cache, app.state.questions, app.state.means = Cache(), Questions(), Means(reader)
    app.state.seldom, app.state.tiles = {}, tiles
    problems.install(app)
    openapi.install(app)
    app.add_middleware(Shortcut)
    install.install(app, settings.access, dsn, public_url=settings.public_url, proxies=settings.proxies)
    app.add_middleware(Headers)
    service.install(app, dsn)
    for part in (index, places, observations, events, alerts, live, detection, inspector):
        app.include_router(part.router, prefix="/api/v1")
    app.include_router(health.router)
    app.state.files = static_files.read()
    app.include_router(static_files.router)
    app.include_router(basemap.router)
    app.include_router(feeds.router)
    app.include_router(acknowledge.router(dsn))
    app.include_router(pages.router)  # the last: it answers every address that nobody else knows
    return app


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: whoever runs us decides when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(settings: ApiSettings, dsn: str, broker: BrokerSettings) -> None:
    """Answer until cancelled; then tell the streams to end, and leave within seconds."""
    app = create_app(settings, dsn, broker)
    link = f"Link: {ownership(settings)['Link']}\r\n".encode()
    config = uvicorn.Config(
        app,
        http=cast("type[asyncio.Protocol]", partial(Door, app.state.hub, settings, link)),
        ws="websockets-sansio",
        ws_max_size=4_096,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=3,
        server_header=False,
        backlog=4_096,
    )
    server = _Server(config)
    settle()
    with listen(settings.host, settings.port) as listening:
        running = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            await asyncio.shield(running)
        finally:
            app.state.hub.close()
            server.should_exit = True
            await running


def listen(host: str, port: int) -> socket.socket:
    """A socket there. Raises StartError where that is in use or cannot be."""
    kind = socket.AF_INET6 if ":" in host else socket.AF_INET
    # named as TCP, or the event loop leaves the delay of small packets on: 40 ms between head and body
    listening = socket.socket(kind, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        words = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        raise StartError(f"{host}:{port} {words}: change [api] host or port") from None
    return listening
