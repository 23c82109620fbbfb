"""Run parts of the gateway until told to stop.

Each part is a coroutine that runs until cancelled. SIGTERM and SIGINT cancel them all; the first
that fails takes the others with it, so that a half-dead gateway never looks alive.
"""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import prometheus_client
import uvloop
from msgspec import structs

from alerting import dispatcher
from alerting.errors import AlertingError
from gateway import beside, logs
from gateway.api import app
from gateway.decoder import Decoder
from gateway.detection.detector import Detector
from gateway.errors import StartError
from gateway.ingest import Ingest
from gateway.ingest_settings import IngestSettings
from gateway.pipeline import Pipeline
from gateway.pool import Pool
from gateway.quality.flagger import Flagger
from gateway.rehearsal import rehearse
from gateway.settings import Settings, files
from gateway.store.connection import Store, check

E = TypeVar("E", bound=BaseException)
Part = Coroutine[None, None, None]


def parts(settings: Settings, config: Path) -> Mapping[str, Callable[[], Part]]:
    """Every part by its name on the command line."""
    dsn = settings.database.dsn
    return {
        "gateway": lambda: _ingest(settings),
        "api": lambda: app.serve(settings.api, dsn, settings.broker.of_api()),
        "alerting": lambda: dispatcher.run(settings.alerting, dsn),
        "beside": lambda: beside.run(settings),
        "companion": lambda: beside.accompany(settings, config),
    }


def run(settings: Settings, names: list[str], config: Path, look: Callable[[Settings, list[str]], None]) -> None:
    """Run these parts, as `config` has them, until a signal comes. Raises StartError where one cannot start.

    `look` is asked once what it thinks of the machine, and says it in the log.
    """
    logs.begin(settings.log)
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


async def _ingest(settings: Settings) -> None:
    ingest = settings.ingest
    if ingest is None:
        raise StartError("the gateway needs [ingest] with key_file in its configuration")
    await asyncio.to_thread(rehearse, Flagger(), Detector(settings.detection))
    _favour_throughput()
    with closing(Decoder()) as decoder:
        if not ingest.share:
            return await _take_in(settings, ingest, decoder)

        begun = False

        def part(area: str, name: str) -> Part:
            nonlocal begun
            met, begun = begun, True
            return _take_in(settings, structs.replace(ingest, areas=[area]), decoder, name=name, met=met)

        return await Pool(settings.database.dsn, ingest.areas, ingest.lease, part).run()


async def _take_in(
    settings: Settings, ingest: IngestSettings, decoder: Decoder, *, name: str = "piekwacht gateway", met: bool = False
) -> None:
    """`name` is what the database sees; `met`: the broker has answered before, and is waited for."""
    store = Store(settings.database.dsn, areas=ingest.areas or ["*"], name=name)
    pipeline = Pipeline(store, Flagger(), Detector(settings.detection), decoder)
    broker = settings.broker.of_area(ingest.areas[0]) if ingest.share else settings.broker
    try:
        await Ingest(ingest, broker, pipeline, met=met).run()
    finally:
        await store.close()


def _favour_throughput() -> None:
    """A micro-batch is a hundred thousand objects without a cycle: looking for some cost a fifth of ingest.

    And who feeds the database must not wait 5 ms, Python's own interval, for the thread that decodes.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 20)
    sys.setswitchinterval(0.0005)


def _show_metrics(host: str, port: int) -> None:
    try:
        prometheus_client.start_http_server(port, addr=host)
    except OSError as error:
        raise StartError(
            f"metrics cannot be shown at {host}:{port}: {error.strerror}; change [telemetry] port"
        ) from None
