"""The public API and pages as one ASGI application, and the uvicorn server that runs it.

`gateway.service` calls `serve`. The application is stateless: several processes can run side by side.
Raises StartError if the address is in use.
"""

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

from alerting.settings import AlertingSettings
from alerting.subscriptions.settings import SubscriptionSettings
from gateway.access import install
from gateway.api.data.area_base import load_bases
from gateway.api.data.assessment_cache import AssessmentCache
from gateway.api.data.averages import MeanCache
from gateway.api.data.database import Database
from gateway.api.data.latest_values import LatestValues
from gateway.api.data.log_heads import LogHeads
from gateway.api.data.playback import PlaybackCache
from gateway.api.data.tile_cache import TileCache
from gateway.api.http import openapi, problems, static_files
from gateway.api.http.cache import Cache, RequestIndex, TtlCache
from gateway.api.http.cache_middleware import CacheMiddleware
from gateway.api.http.headers import COMMON_HEADERS, VERSION, HeadersMiddleware
from gateway.api.http.responses import licence_headers
from gateway.api.inspector import plume_service, service
from gateway.api.inspector.dossiers import DossierMaker
from gateway.api.live.admission import Admission
from gateway.api.live.hub import Hub
from gateway.api.live.protocol import LiveProtocol
from gateway.api.operator import service as operator_service
from gateway.api.reports import service as report_service
from gateway.api.reports.maker import ReportMaker
from gateway.api.route_table import list_routes
from gateway.api.routes import acknowledge, guests
from gateway.api.routes.basemap import MapSources
from gateway.api.schemas.schema import LICENCE
from gateway.api.sensorthings.observation_publisher import ObservationPublisher
from gateway.api.settings import ApiSettings
from gateway.api.subscriptions import service as subscription_service
from gateway.assessment.settings import AssessmentSettings
from gateway.errors import StartError
from gateway.guests.settings import GuestSettings
from gateway.mqtt.settings import BrokerSettings
from gateway.operator.tools import DATABASE_ONLY, OperatorTools
from gateway.system.gc_tuning import freeze_gc
from gateway.transparency.settings import PublicLogSettings


def create_app(
    settings: ApiSettings,
    dsn: str,
    broker: BrokerSettings,
    public_log: PublicLogSettings | None = None,
    dossiers: DossierMaker | None = None,
    *,
    subscriptions: SubscriptionSettings | None = None,
    reports: ReportMaker | None = None,
    alerting: AlertingSettings | None = None,
    operator_tools: OperatorTools = DATABASE_ONLY,
    guest_settings: GuestSettings | None = None,
    assessment: AssessmentSettings | None = None,
) -> FastAPI:
    """Build the application; its connections open and close with its lifespan.

    It offers no dossiers if `dossiers` is None, no reports if `reports` is, and nobody can subscribe if
    `subscriptions` is. Without `alerting` the inspector pages know no receivers, rosters and routes. `operator_tools`:
    what operators can do besides reading and writing the database.
    """
    database = Database(dsn)
    map_sources = MapSources(settings.base_map, load_bases(settings.base_map.folder))
    latest_values = LatestValues(database, map_sources.bases)
    root = f"{settings.public_url.rstrip('/')}/sta/v1.1"
    publisher = ObservationPublisher(dsn, root, latest_values) if settings.mqtt_endpoints else None
    hub = Hub(settings, latest_values, publisher)
    tile_cache = TileCache(settings.base_map)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with database.open_pool(), tile_cache.open_client(), app.state.guest_inbox.open():
            client_id = f"piekwacht-api-{secrets.token_hex(6)}"
            tasks = [
                asyncio.create_task(hub.listen(broker, client_id, latest_values.fetch_commit)),
                asyncio.create_task(hub.maintain_viewers()),
            ]
            if publisher is not None:
                tasks.append(asyncio.create_task(publisher.run()))
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                for maker in (dossiers, reports):
                    if maker is not None:
                        await maker.aclose()

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
    app.state.settings, app.state.database = settings, database
    app.state.assessment, app.state.assessment_cache = assessment or AssessmentSettings(), AssessmentCache()
    app.state.latest_values, app.state.hub = latest_values, hub
    app.state.cache, app.state.request_index, app.state.mean_cache = Cache(), RequestIndex(), MeanCache(database)
    app.state.status_cache, app.state.tile_cache = TtlCache(), tile_cache
    app.state.playback_cache = PlaybackCache(database)
    app.state.map_sources, app.state.area_bases = map_sources, map_sources.bases
    app.state.public_log, app.state.log_heads = public_log, LogHeads(public_log)
    problems.install(app, COMMON_HEADERS)
    openapi.install(app)
    app.add_middleware(CacheMiddleware)
    guests.install(app, dsn, guest_settings)
    install.install_access(app, settings.access, dsn, public_url=settings.public_url, proxies=settings.trusted_proxies)
    app.state.admission = Admission(app.state.anonymous_limit, settings.max_viewers)
    app.add_middleware(HeadersMiddleware)
    service.install(app, dsn, dossiers)
    report_service.install(app, reports)
    plume_service.install(app, dsn, alerting)
    subscription_service.install(app, subscriptions, dsn)
    operator_service.install(app, dsn, operator_tools)
    app.state.static_files = static_files.load_files()
    app.router.routes += [*acknowledge.router(dsn).routes, *list_routes()]
    return app


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the calling service decides when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(
    settings: ApiSettings,
    dsn: str,
    broker: BrokerSettings,
    public_log: PublicLogSettings | None = None,
    dossiers: DossierMaker | None = None,
    *,
    subscriptions: SubscriptionSettings | None = None,
    reports: ReportMaker | None = None,
    alerting: AlertingSettings | None = None,
    operator_tools: OperatorTools = DATABASE_ONLY,
    guest_settings: GuestSettings | None = None,
    assessment: AssessmentSettings | None = None,
) -> None:
    """Serve until cancelled, then close all live streams and stop within about 3 s."""
    app = create_app(
        settings,
        dsn,
        broker,
        public_log,
        dossiers,
        subscriptions=subscriptions,
        reports=reports,
        alerting=alerting,
        operator_tools=operator_tools,
        guest_settings=guest_settings,
        assessment=assessment,
    )
    link_header = f"Link: {licence_headers(settings)['Link']}\r\n".encode()
    config = uvicorn.Config(
        app,
        http=cast(
            "type[asyncio.Protocol]", partial(LiveProtocol, app.state.hub, app.state.admission, settings, link_header)
        ),
        ws="websockets-sansio",
        ws_max_size=4_096,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=3,
        server_header=False,
        proxy_headers=False,  # uvicorn would trust 127.0.0.1, with any [api] trusted_proxies
        backlog=4_096,
    )
    server = _Server(config)
    freeze_gc()
    with open_listener(settings.host, settings.port) as listener:
        server_task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await asyncio.shield(server_task)
        finally:
            app.state.hub.close()
            server.should_exit = True
            await server_task


def open_listener(host: str, port: int) -> socket.socket:
    """A listening socket at that address. Raises StartError if the address is in use or not available."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # IPPROTO_TCP explicitly: else asyncio does not set TCP_NODELAY, which delays the body by 40 ms
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        raise StartError(f"{host}:{port} {reason}: change [api] host or port") from None
    return listener
