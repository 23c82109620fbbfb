"""Runs a service in this process, or all services each in a separate process, until SIGTERM or SIGINT.

A service is a coroutine that runs until cancelled. It reports to systemd or to the supervisor that its loop turns.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Sequence
from importlib.util import find_spec
from pathlib import Path

import uvloop

from alerting.errors import AlertingError
from gateway.dossier.request import DossierPublisher
from gateway.dossier.worker import DossierWorker
from gateway.errors import StartError
from gateway.operator.tools import OperatorTools
from gateway.reports.request import ReportPublisher
from gateway.reports.worker import ReportWorker
from gateway.service import supervisor
from gateway.settings import Settings, list_files
from gateway.store.migrate import check_schema
from gateway.system import logging_setup, merged_metrics
from gateway.system.exception_groups import find_error
from gateway.system.gc_tuning import pause_gc
from gateway.system.lean_imports import hide_modules
from gateway.system.service_manager import ServiceManager

Service = Coroutine[None, None, None]
_CHECK_DELAY = 10.0  # s from the start of the service to the check of its machine


def build_service(name: str, settings: Settings, operator_tools: OperatorTools | None = None) -> Service:
    """Return the service with this name. `operator_tools`: for the API alone.

    Each is imported only when it runs: a gateway needs no web framework. The systemd units of all services but the
    gateway and evaluation forbid memory that is writable and executable, where numba cannot be imported.
    """
    dsn = settings.database.dsn
    match name:
        case "gateway":
            with hide_modules("scipy", "yaml"):  # numba tries them; no kernel needs them
                from gateway.service import ingest_worker

            return ingest_worker.run(settings)
        case "api":
            from gateway.api import app

            return app.serve(
                settings.api,
                dsn,
                settings.broker.for_api(),
                settings.public_log,
                _build_dossier_worker(settings),
                subscriptions=settings.subscriptions,
                reports=_build_report_worker(settings),
                alerting=settings.alerting,
                operator_tools=operator_tools or OperatorTools(),
                guest_settings=settings.guests,
                assessment=settings.assessment,
            )
        case "alerting":
            from alerting.dispatch import dispatcher

            return dispatcher.run(settings.alerting, dsn)
        case "evaluation":
            from gateway.service import evaluation_worker

            return evaluation_worker.run(settings)
        case "subscriptions":
            from alerting.subscriptions import service

            if settings.subscriptions is None:
                raise StartError("nobody can subscribe: put [subscriptions] into the configuration")
            return service.run(settings.subscriptions, settings.alerting, dsn)
    raise ValueError(name)


def _build_dossier_worker(settings: Settings) -> DossierWorker | None:
    """The maker of dossiers for inspectors; None if the extra `dossier` is not installed."""
    if find_spec("weasyprint") is None:
        return None
    publisher = DossierPublisher(operator=settings.api.operator, public_url=settings.api.public_url)
    return DossierWorker(settings.database.dsn, publisher, settings.public_log)


def _build_report_worker(settings: Settings) -> ReportWorker:
    """The maker of reports."""
    publisher = ReportPublisher(
        operator=settings.api.operator,
        public_url=settings.api.public_url,
        year_coverage=settings.assessment.year_coverage,
    )
    return ReportWorker(settings.database.dsn, publisher)


def run(
    settings: Settings,
    name: str,
    check_machine: Callable[[Settings, list[str]], None],
    operator_tools: OperatorTools | None = None,
) -> None:
    """Run this service until a signal. StartError if it cannot start; `check_machine` logs problems once."""
    logging_setup.configure_logging(settings.log)
    _check_files(settings, [name])
    check_schema(settings.database.dsn)
    port = settings.telemetry.port_of(name)
    if not merged_metrics.serve_for_supervisor() and port is not None:
        merged_metrics.serve(settings.telemetry.host, port)
    run_loop = uvloop.run if name == "api" else asyncio.run
    with pause_gc():
        service = build_service(name, settings, operator_tools)
    check = _check_later(lambda: check_machine(settings, [name]))
    try:
        run_loop(
            _run_until_signal(
                [
                    service,
                    ServiceManager().report_liveness(name),
                    check,
                    *_build_reports(name, settings),
                ]
            )
        )
    except BaseExceptionGroup as group:
        error = find_error(group, StartError) or find_error(group, AlertingError)
        raise group if error is None else error from None


def _build_reports(name: str, settings: Settings) -> list[Service]:
    """Reports beside a service; only the gateway has one. Others do not load its metrics."""
    if name != "gateway":
        return []
    from gateway.service.upkeep_metrics import report_upkeep

    return [report_upkeep(settings.database.dsn)]


def run_all(settings: Settings, config: Path) -> int:
    """Run every service in a separate process until a signal; return the exit code of one that cannot start."""
    logging_setup.configure_logging(settings.log)
    _check_files(settings, list(_TABLES_BY_SERVICE))
    check_schema(settings.database.dsn)
    services = supervisor.build_services(
        config, has_evaluation=settings.has_evaluation, has_subscriptions=settings.subscriptions is not None
    )
    telemetry = settings.telemetry
    try:
        asyncio.run(_run_until_signal([supervisor.supervise(services, host=telemetry.host, port=telemetry.port)]))
    except BaseExceptionGroup as group:
        error = find_error(group, StartError)
        refusal = find_error(group, supervisor.ServiceRefusedError)
        if refusal is not None:
            return refusal.exit_code
        raise group if error is None else error from None
    return 0


_TABLES_BY_SERVICE = {"gateway": ("broker", "ingest"), "api": ("broker",), "alerting": ("alerting",)}


def _check_files(settings: Settings, service_names: list[str]) -> None:
    for table in sorted(
        {table for service_name in service_names for table in _TABLES_BY_SERVICE.get(service_name, ())}
    ):
        for setting, file in list_files(getattr(settings, table), table):
            if not os.access(file, os.R_OK):
                problem = "cannot be read by this user" if file.exists() else "is not there"
                raise StartError(f"{setting}: {file} {problem}; `piekwacht doctor` says more")


async def _check_later(check_machine: Callable[[], None]) -> None:
    """Check the machine in a thread once the service works, or when the service ends before that.

    The check needs imports of 0.2 s. A gateway that was killed uses that time for the readings that wait.
    """
    try:
        await asyncio.sleep(_CHECK_DELAY)
    except asyncio.CancelledError:
        check_machine()
        raise
    await asyncio.to_thread(check_machine)


async def _run_until_signal(coroutines: Sequence[Coroutine[None, None, None]]) -> None:
    loop, stop_requested = asyncio.get_running_loop(), asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop_requested.set)
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(coroutine) for coroutine in coroutines]
        await stop_requested.wait()
        for task in running:
            task.cancel()
