"""Run parts of the gateway until told to stop.

Each part is a coroutine that runs until cancelled. SIGTERM and SIGINT cancel them all; the first
that fails takes the others with it, so that a half-dead gateway never looks alive.
"""

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import TypeVar

import prometheus_client

from alerting import dispatcher
from alerting.errors import AlertingError
from gateway.api import app
from gateway.detection.detector import Detector
from gateway.errors import StartError
from gateway.ingest import Ingest
from gateway.pipeline import Pipeline
from gateway.quality.flagger import Flagger
from gateway.rehearsal import rehearse
from gateway.settings import Settings, files
from gateway.store.connection import Store, check

E = TypeVar("E", bound=BaseException)
Part = Coroutine[None, None, None]


def parts(settings: Settings) -> Mapping[str, Callable[[], Part]]:
    """Every part by its name on the command line."""
    dsn = settings.database.dsn
    return {
        "gateway": lambda: _ingest(settings),
        "api": lambda: app.serve(settings.api, dsn, settings.broker.of_api()),
        "alerting": lambda: dispatcher.run(settings.alerting, dsn),
    }


def run(settings: Settings, names: list[str]) -> None:
    """Run these parts until a signal comes. Raises StartError where one cannot start."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    _check_files(settings, names)
    check(settings.database.dsn)
    port = settings.telemetry.port_of(names)
    if port is not None:
        _show_metrics(settings.telemetry.host, port)
    try:
        asyncio.run(_until_told(settings, names))
    except BaseExceptionGroup as group:
        told = next(_leaves(group, StartError), None) or next(_leaves(group, AlertingError), None)
        raise group if told is None else told from None


_TABLES = {"gateway": ("broker", "ingest"), "api": ("broker",), "alerting": ("alerting",)}


def _check_files(settings: Settings, names: list[str]) -> None:
    for table in sorted({table for name in names for table in _TABLES[name]}):
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


async def _until_told(settings: Settings, names: list[str]) -> None:
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    available = parts(settings)
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(available[name](), name=name) for name in names]
        await told.wait()
        for task in running:
            task.cancel()


async def _ingest(settings: Settings) -> None:
    if settings.ingest is None:
        raise StartError("the gateway needs [ingest] with key_file in its configuration")
    store = Store(settings.database.dsn, areas=settings.ingest.areas or ["*"])
    flagger, detector = Flagger(), Detector(settings.detection)
    await asyncio.to_thread(rehearse, flagger, detector)
    _collect_garbage_seldom()
    pipeline = Pipeline(store, flagger, detector)
    try:
        await Ingest(settings.ingest, settings.broker, pipeline).run()
    finally:
        await store.close()


def _collect_garbage_seldom() -> None:
    """A micro-batch is a hundred thousand objects without a cycle: looking for some cost a fifth of ingest."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 20)


def _show_metrics(host: str, port: int) -> None:
    try:
        prometheus_client.start_http_server(port, addr=host)
    except OSError as error:
        raise StartError(
            f"metrics cannot be shown at {host}:{port}: {error.strerror}; change [telemetry] port"
        ) from None
