"""Shared parts of the operator's pages and API: the identity, a connection for the work, and errors as answers.

Work runs in a thread, on a separate connection: operators are few, and `gateway.operator` is the same code that the
commands call. A refused attempt to change something is in the audit log, as an act itself is.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

import psycopg
from fastapi import FastAPI, HTTPException, Request
from msgspec import Struct

from alerting.errors import one_line
from alerting.log import get_logger
from gateway.access.accounts import Accounts
from gateway.access.authorization import identity_of
from gateway.access.identity import Identity, Scope
from gateway.api.http.cache import TtlCache
from gateway.api.operator.measurement_reader import MeasurementReader
from gateway.decoding.rejection import RejectionReason
from gateway.errors import GatewayError
from gateway.operator import fleet, node_work, quarantine
from gateway.operator.actor import EVERYTHING, Actor
from gateway.operator.errors import OperatorError, RefusalKind
from gateway.operator.fleet import FleetNode, Measurements
from gateway.operator.node_work import MaintenanceWindow, RecordedChange
from gateway.operator.storage import Storage, load_storage
from gateway.operator.tools import CheckResult, OperatorTools
from gateway.quality.calibration import CalibrationVersion
from gateway.store.calibrations import load_calibrations

T = TypeVar("T")
Connection = psycopg.Connection
Work = Callable[[Connection, Actor], T]

_LOG = get_logger("gateway.api")
_MAX_CONNECTIONS = 4  # of operators, in one process
_FLEET_SECONDS, _CHECK_SECONDS = 10.0, 30.0
_TIMEOUT = "-c statement_timeout=20000 -c timezone=UTC -c jit=off"
_READ_ONLY = f"{_TIMEOUT} -c default_transaction_read_only=on"
_LONG_READ = f"{_READ_ONLY} -c statement_timeout=300000"  # of the background task
_STATUSES = {
    RefusalKind.INVALID: 400,
    RefusalKind.MISSING: 404,
    RefusalKind.OTHER_AREA: 403,
    RefusalKind.CONFLICT: 409,
    RefusalKind.UNAVAILABLE: 404,
}


class NodeWork(Struct, frozen=True, kw_only=True):
    """Work of operators at a node."""

    windows: Sequence[MaintenanceWindow]
    changes: Sequence[RecordedChange]
    calibrations: Sequence[CalibrationVersion]


class RefusedActError(HTTPException):
    """A refusal of the services; `error` has the sentence in both languages."""

    def __init__(self, error: OperatorError) -> None:
        super().__init__(_STATUSES[error.kind], str(error))
        self.error = error


def install(app: FastAPI, dsn: str, tools: OperatorTools) -> None:
    """Give the application what the operator's pages need."""
    app.state.operator_dsn, app.state.operator_tools = dsn, tools
    app.state.operator_measurements = MeasurementReader()
    app.state.operator_connections, app.state.operator_cache = asyncio.Semaphore(_MAX_CONNECTIONS), TtlCache()


def tools_of(request: Request) -> OperatorTools:
    """Return what this installation can do for operators."""
    tools: OperatorTools = request.app.state.operator_tools
    return tools


def require_operator(request: Request, scope: Scope = Scope.MANAGE_NODES) -> Actor:
    """Return who asks. Raises HTTPException 401 or 403 if it is no operator."""
    identity = identity_of(request)
    if identity is None:
        raise HTTPException(401, "sign in, or send a key", {"WWW-Authenticate": "Bearer"})
    if scope not in identity.scopes:
        raise HTTPException(403, "your role does not include this")
    return _build_actor(identity, getattr(request.state, "address", ""))


async def read(request: Request, work: Work[T], scope: Scope = Scope.MANAGE_NODES) -> T:
    """Return the result of `work`, on a connection that cannot change anything."""
    actor = require_operator(request, scope)
    try:
        return await _run(request, partial(_connect_and_read, request.app.state.operator_dsn, actor, work))
    except OperatorError as error:
        raise RefusedActError(error) from None


async def act(request: Request, action: str, object_: str, work: Work[T], scope: Scope = Scope.MANAGE_NODES) -> T:
    """Do `work` in one transaction; it records itself. An attempt that is refused is recorded here."""
    actor = await require_right_to_act(request, action, object_, scope)
    try:
        result = await _run(request, partial(_connect_and_act, request.app.state.operator_dsn, actor, work))
    except OperatorError as error:
        await _record_refusal(request, action, object_, error.kind.value)
        raise RefusedActError(error) from None
    request.app.state.operator_cache = TtlCache()  # the next page shows what was done
    return result


async def require_right_to_act(request: Request, action: str, object_: str, scope: Scope = Scope.MANAGE_NODES) -> Actor:
    """Return who asks to change something. Raises HTTPException 401 or 403; a 403 is in the audit log."""
    try:
        return require_operator(request, scope)
    except HTTPException as error:
        if error.status_code == 403:
            await _record_refusal(request, action, object_, "not_in_role")
        raise


async def read_fleet(request: Request) -> list[FleetNode]:
    """Every node of the operator's areas, at most ten seconds old; data capture may be a quarter of an hour old."""
    actor, wanted_agent = require_operator(request), tools_of(request).settings.agent_version
    cache: TtlCache = request.app.state.operator_cache
    measurements = await _read_measurements(request)

    async def load() -> list[FleetNode]:
        return await read(
            request,
            lambda connection, _: fleet.load_fleet(
                connection, EVERYTHING, _now(), measurements, wanted_agent=wanted_agent
            ),
        )

    return [node for node in await cache.get("fleet", _FLEET_SECONDS, load) if actor.includes(node.row.area)]


async def _read_measurements(request: Request) -> Measurements:
    """Data capture of all nodes, from a task in the background; none while its first run lasts long."""
    reader: MeasurementReader = request.app.state.operator_measurements
    dsn = request.app.state.operator_dsn
    return await reader.get(lambda: _connect_and_read(dsn, EVERYTHING, _load_all_measurements, _LONG_READ))


def _load_all_measurements(connection: psycopg.Connection, actor: Actor) -> Measurements:
    return fleet.load_measurements(connection, actor, _now())


async def read_node(request: Request, node: str) -> FleetNode:
    """One node as it is now. Raises RefusedActError if there is none, or it is of another area."""
    wanted_agent = tools_of(request).settings.agent_version
    return await read(
        request, lambda connection, actor: fleet.load_node(connection, actor, node, _now(), wanted_agent=wanted_agent)
    )


async def read_work(request: Request, node: str) -> NodeWork:
    """Work on a node: windows, replaced sensors and calibrations, the newest first."""

    def load(connection: psycopg.Connection, actor: Actor) -> NodeWork:
        fleet.require_node(connection, actor, node)
        return NodeWork(
            windows=node_work.list_windows(connection, node),
            changes=node_work.list_changes(connection, node),
            calibrations=load_calibrations(connection, node)[::-1],
        )

    return await read(request, load)


async def read_storage(request: Request) -> Storage:
    """Size and growth of the database. It is of all areas, and no secret between operators."""
    tools = tools_of(request)

    def load(connection: psycopg.Connection, _: Actor) -> Storage:
        return load_storage(connection, tools.read_disks(), tools.retention_days, _now())

    return await read(request, load)


async def examine(request: Request) -> list[CheckResult] | None:
    """Every finding of the doctor, at most half a minute old; None if this process cannot examine.

    Findings are of the whole installation, so they are for operators of every area.
    """
    actor, tools = require_operator(request), tools_of(request)
    if tools.examine is None:
        return None
    if not actor.includes(None):
        raise RefusedActError(OperatorError(RefusalKind.OTHER_AREA, "whole_installation"))
    tool, cache = tools.examine, request.app.state.operator_cache
    results: list[CheckResult] = await cache.get("checks", _CHECK_SECONDS, lambda: _run(request, tool))
    return results


async def retry_payloads(request: Request, ids: Sequence[int]) -> int:
    """Let the gateway decode these payloads again."""
    return await act(
        request,
        "retry-payloads",
        "quarantine",
        lambda connection, actor: quarantine.request_retry(connection, actor, ids),
    )


async def retry_reason(request: Request, reason: RejectionReason) -> int:
    """The same for all payloads that were rejected for this reason."""
    return await act(
        request,
        "retry-payloads",
        "quarantine",
        lambda connection, actor: quarantine.request_retry_of_reason(connection, actor, reason.value),
    )


def _now() -> datetime:
    return datetime.now(UTC)


async def _run(request: Request, call: Callable[[], T]) -> T:
    async with request.app.state.operator_connections:
        try:
            return await asyncio.to_thread(call)
        except OperatorError:
            raise
        except psycopg.errors.QueryCanceled:
            raise HTTPException(503, "that took too long; try again", {"Retry-After": "30"}) from None
        except psycopg.OperationalError:
            raise HTTPException(503, "the database does not answer; try again", {"Retry-After": "5"}) from None
        except psycopg.DataError as error:
            raise HTTPException(400, f"a value that the database cannot take: {one_line(error)}") from None
        except GatewayError as error:
            raise RefusedActError(OperatorError(RefusalKind.INVALID, "other", reason=one_line(error))) from None


def _connect_and_read(dsn: str, actor: Actor, work: Work[T], options: str = _READ_ONLY) -> T:
    with psycopg.connect(dsn, autocommit=True, connect_timeout=5, options=options) as connection:
        return work(connection, actor)


def _connect_and_act(dsn: str, actor: Actor, work: Work[T]) -> T:
    with (
        psycopg.connect(dsn, autocommit=True, connect_timeout=5, options=_TIMEOUT) as connection,
        connection.transaction(),
    ):
        return work(connection, actor)


async def _record_refusal(request: Request, action: str, object_: str, reason: str) -> None:
    identity = identity_of(request)
    if identity is None:
        return
    accounts: Accounts = request.app.state.accounts
    actor = _build_actor(identity, getattr(request.state, "address", ""))
    try:
        await accounts.record_audit(actor.name, action, object_, address=actor.address, outcome=reason)
    except psycopg.OperationalError:
        _LOG.warning("refusal not recorded", action=action, reason=reason)


def _build_actor(identity: Identity, address: str) -> Actor:
    name = identity.name if identity.key_id is None else f"{identity.name}/{identity.key_id}"
    return Actor(name=name, areas=identity.areas, address=address)
