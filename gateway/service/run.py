"""Run parts of the gateway until told to stop.

Each part is a coroutine that runs until cancelled. SIGTERM and SIGINT cancel them all; the first
that fails takes the others with it, so that a half-dead gateway never looks alive.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import prometheus_client
import uvloop

from alerting.dispatch import dispatcher
from alerting.errors import AlertingError
from gateway.api import app
from gateway.errors import StartError
from gateway.settings import Settings, files
from gateway.store.connection import check
from gateway.system import logging_setup

E = TypeVar("E", bound=BaseException)
Part = Coroutine[None, None, None]


def parts(settings: Settings, config: Path) -> Mapping[str, Callable[[], Part]]:
    """Every part by its name on the command line."""
    dsn = settings.database.dsn
    return {
        "gateway": lambda: _taking_in(settings),
        "api": lambda: app.serve(settings.api, dsn, settings.broker.of_api()),
        "alerting": lambda: dispatcher.run(settings.alerting, dsn),
        "beside": lambda: _beside(settings),
        "companion": lambda: _companion(settings, config),
    }


# What compiles is loaded when it runs: the units of all other parts forbid memory that is written and executed, and
# there numba cannot even be imported.


def _taking_in(settings: Settings) -> Part:
    from gateway.service import ingest_worker

    return ingest_worker.run(settings)


def _beside(settings: Settings) -> Part:
    from gateway.service import evaluation_worker

    return evaluation_worker.run(settings)


def _companion(settings: Settings, config: Path) -> Part:
    from gateway.service import evaluation_worker

    return evaluation_worker.accompany(settings, config)


def run(settings: Settings, names: list[str], config: Path, look: Callable[[Settings, list[str]], None]) -> None:
    """Run these parts, as `config` has them, until a signal comes. Raises StartError where one cannot start.

    `look` is asked once what it thinks of the machine, and says it in the log.
    """
    logging_setup.begin(settings.log)
    _check_files(settings, names)
    check(settings.database.dsn)
    look(settings, names)
    port = settings.telemetry.port_of(names)
    if port is not None:
        _show_metrics(settings.telemetry.host, port)
    try:
        (uvloop.run if "api" in names else asyncio.run)(_until_told(settings, names, config))
    except BaseExceptionGroup as group:
        told = next(_leaves(group, StartError), None) or next(_leaves(group, AlertingError), None)
        raise group if told is None else told from None


_TABLES = {"gateway": ("broker", "ingest"), "api": ("broker",), "alerting": ("alerting",)}


def _check_files(settings: Settings, names: list[str]) -> None:
    for table in sorted({table for name in names for table in _TABLES.get(name, ())}):
        for setting, file in files(getattr(settings, table), table):
            if not os.access(file, os.R_OK):
                trouble = "cannot be read by this user" if file.exists() else "is not there"
                raise StartError(f"{setting}: {file} {trouble}; `piekwacht doctor` says more")


def _leaves(group: BaseExceptionGroup[BaseException], kind: type[E]) -> Iterator[E]:
    for one in group.exceptions:
        if isinstance(one, kind):
            yield one
        elif isinstance(one, BaseExceptionGroup):
            yield from _leaves(one, kind)


async def _until_told(settings: Settings, names: list[str], config: Path) -> None:
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    available = parts(settings, config)
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(available[name](), name=name) for name in names]
        await told.wait()
        for task in running:
            task.cancel()


def _show_metrics(host: str, port: int) -> None:
    try:
        prometheus_client.start_http_server(port, addr=host)
    except OSError as error:
        raise StartError(
            f"metrics cannot be shown at {host}:{port}: {error.strerror}; change [telemetry] port"
        ) from None
