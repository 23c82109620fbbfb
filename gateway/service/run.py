"""Runs services of the gateway in one process until SIGTERM or SIGINT.

Each service is a coroutine that runs until cancelled. The first that fails stops the others, so that a gateway with
a failed service never appears to work.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path

import prometheus_client
import uvloop

from alerting.dispatch import dispatcher
from alerting.errors import AlertingError
from gateway.api import app
from gateway.errors import StartError
from gateway.settings import Settings, list_files
from gateway.store.migrate import check_schema
from gateway.system import logging_setup
from gateway.system.exception_groups import find_error

Service = Coroutine[None, None, None]


def build_services(settings: Settings, config: Path) -> Mapping[str, Callable[[], Service]]:
    """Return every service by its name on the command line."""
    dsn = settings.database.dsn
    return {
        "gateway": lambda: _ingest_service(settings),
        "api": lambda: app.serve(settings.api, dsn, settings.broker.for_api()),
        "alerting": lambda: dispatcher.run(settings.alerting, dsn),
        "evaluation": lambda: _evaluation_service(settings),
        "evaluation_child": lambda: _evaluation_child_service(settings, config),
    }


# Modules that compile are imported when they run: the systemd units of all other services forbid memory that is both
# writable and executable, and numba cannot even be imported there.


def _ingest_service(settings: Settings) -> Service:
    from gateway.service import ingest_worker

    return ingest_worker.run(settings)


def _evaluation_service(settings: Settings) -> Service:
    from gateway.service import evaluation_worker

    return evaluation_worker.run(settings)


def _evaluation_child_service(settings: Settings, config: Path) -> Service:
    from gateway.service import evaluation_worker

    return evaluation_worker.supervise_child(settings, config)


def run(
    settings: Settings, service_names: list[str], config: Path, check_machine: Callable[[Settings, list[str]], None]
) -> None:
    """Run these services until a signal. StartError if one cannot start; `check_machine` logs problems once."""
    logging_setup.configure_logging(settings.log)
    _check_files(settings, service_names)
    check_schema(settings.database.dsn)
    check_machine(settings, service_names)
    port = settings.telemetry.port_of(service_names)
    if port is not None:
        _serve_metrics(settings.telemetry.host, port)
    try:
        (uvloop.run if "api" in service_names else asyncio.run)(_run_until_signal(settings, service_names, config))
    except BaseExceptionGroup as group:
        error = find_error(group, StartError) or find_error(group, AlertingError)
        raise group if error is None else error from None


_TABLES_BY_SERVICE = {"gateway": ("broker", "ingest"), "api": ("broker",), "alerting": ("alerting",)}


def _check_files(settings: Settings, service_names: list[str]) -> None:
    for table in sorted(
        {table for service_name in service_names for table in _TABLES_BY_SERVICE.get(service_name, ())}
    ):
        for setting, file in list_files(getattr(settings, table), table):
            if not os.access(file, os.R_OK):
                problem = "cannot be read by this user" if file.exists() else "is not there"
                raise StartError(f"{setting}: {file} {problem}; `piekwacht doctor` says more")


async def _run_until_signal(settings: Settings, service_names: list[str], config: Path) -> None:
    loop, stop_requested = asyncio.get_running_loop(), asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop_requested.set)
    services = build_services(settings, config)
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(services[name](), name=name) for name in service_names]
        await stop_requested.wait()
        for task in running:
            task.cancel()


def _serve_metrics(host: str, port: int) -> None:
    try:
        prometheus_client.start_http_server(port, addr=host)
    except OSError as error:
        raise StartError(
            f"metrics cannot be shown at {host}:{port}: {error.strerror}; change [telemetry] port"
        ) from None
