"""All routes that are the same in every application: the API under /api/v1, feeds, files and pages."""

from collections.abc import Sequence
from functools import cache
from itertools import chain

from fastapi import APIRouter
from starlette.routing import BaseRoute

from gateway.api.features import routes as features
from gateway.api.feeds import routes as feeds
from gateway.api.http import static_files
from gateway.api.http.flat_routes import add_routes
from gateway.api.inspector import direction_routes, plume_routes
from gateway.api.inspector import routes as inspector
from gateway.api.live import routes as live
from gateway.api.luchtmeetnet import routes as luchtmeetnet
from gateway.api.map_service import routes as map_service
from gateway.api.operator import enrolment, fits, guest_enrolment, registration, work
from gateway.api.operator import routes as operator_routes
from gateway.api.pages import first_screen
from gateway.api.pages import routes as pages
from gateway.api.routes import (
    alerts,
    assessment,
    basemap,
    context,
    detection,
    events,
    guests,
    health,
    index,
    log,
    observations,
    places,
    playback,
    plumes,
    proofs,
    security_txt,
    statements,
    tracks,
)
from gateway.api.sensor_community import routes as sensor_community
from gateway.api.sensorthings import routes as sensorthings
from gateway.api.subscriptions import routes as subscriptions

_API_MODULES = (
    index, places, observations, assessment, context, playback, events, statements, plumes, first_screen, alerts, live,
    detection, proofs, inspector, tracks, direction_routes, plume_routes, operator_routes, guests,
)  # fmt: skip
_OPERATOR_MODULES = (enrolment, work, fits, registration, guest_enrolment)


@cache
def list_routes() -> Sequence[BaseRoute]:
    """Return the routes in the order in which they are matched."""
    table = APIRouter()
    for module in _API_MODULES:
        add_routes(table, module.router, "/api/v1")
    for operator_router in (module.api_router for module in _OPERATOR_MODULES):
        add_routes(table, operator_router, "/api/v1")
    routers = (
        health.router, security_txt.router, static_files.router, basemap.router, log.router, feeds.router,
        subscriptions.router, sensorthings.router, luchtmeetnet.router, sensor_community.router, features.router,
        map_service.router,
        pages.router,  # last, because it answers every address that no other router has
    )  # fmt: skip
    return [*table.routes, *chain.from_iterable(router.routes for router in routers)]
