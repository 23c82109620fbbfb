"""The public face as one ASGI application, and the server that runs it. Stateless: run as many as you like."""

import asyncio
import contextlib
import errno
import secrets
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from fastapi import APIRouter, FastAPI
from starlette.routing import Route
from starlette.staticfiles import StaticFiles

from gateway.api import acknowledge, events, health, pages, problems, stations
from gateway.api.headers import VERSION, Headers
from gateway.api.hub import Hub
from gateway.api.live import LiveEndpoint
from gateway.api.reading import Reader
from gateway.api.settings import ApiSettings
from gateway.broker import BrokerSettings
from gateway.errors import StartError

_STATIC = Path(__file__).with_name("static")


def create_app(settings: ApiSettings, dsn: str, broker: BrokerSettings) -> FastAPI:
    """Everything wired; connections open with the application's lifespan."""
    hub, reader = Hub(settings.viewers), Reader(dsn)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with reader.opened():
            listening = asyncio.create_task(hub.listen(broker, f"piekwacht-api-{secrets.token_hex(6)}"))
            try:
                yield
            finally:
                listening.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await listening

    app = FastAPI(
        title="Piekwacht",
        version=VERSION,
        description="Short peaks of pollution, live: stations, observations, events. Times are UTC, positions WGS 84.",
        contact={"name": settings.operator, "url": settings.contact, "email": settings.email},
        license_info={"name": "CC BY 4.0", "url": "https://creativecommons.org/licenses/by/4.0/"},
        servers=[{"url": settings.public_url}],
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.state.settings, app.state.reader, app.state.hub = settings, reader, hub
    problems.install(app)
    app.add_middleware(Headers)
    api = APIRouter(prefix="/api/v1")
    api.include_router(stations.router)
    api.include_router(events.router)
    app.include_router(api)
    app.include_router(health.router)
    app.include_router(pages.router)
    app.include_router(acknowledge.router(dsn))
    app.router.routes.append(Route("/api/v1/live", LiveEndpoint(hub, settings)))
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    return app


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: whoever runs us decides when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(settings: ApiSettings, dsn: str, broker: BrokerSettings) -> None:
    """Answer until cancelled; then tell the streams to end, and leave within seconds."""
    app = create_app(settings, dsn, broker)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_graceful_shutdown=3, server_header=False
    )
    server = _Server(config)
    with _listen(settings.host, settings.port) as listening:
        running = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            await asyncio.shield(running)
        finally:
            app.state.hub.close()
            server.should_exit = True
            await running


def _listen(host: str, port: int) -> socket.socket:
    kind = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(kind, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        words = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        raise StartError(f"{host}:{port} {words}: change [api] host or port") from None
    return listening
