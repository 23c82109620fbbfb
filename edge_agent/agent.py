"""The agent: sensors -> collector -> spool -> publisher, put together and taken apart in order."""

import contextlib
import ctypes
import gc
import logging
import os
import queue
import signal
import threading
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple, Self, TextIO

import msgspec

from edge_agent import health
from edge_agent.collector import Collector
from edge_agent.errors import AgentError
from edge_agent.publisher import Publisher
from edge_agent.remote_config import TRIAL_SECONDS, Remote
from edge_agent.sampler import Sampler
from edge_agent.sensor_factory import assemble
from edge_agent.sensor_state import Memory
from edge_agent.sensors.sensor import Reading
from edge_agent.session import Terms
from edge_agent.settings import Configuration
from edge_agent.spool_writer import Keeper, recovered
from edge_agent.tail import Shown
from edge_agent.watchdog import Watchdog
from edge_agent.wire import Desired, Malformed

_LOG = logging.getLogger(__name__)


class Ended(NamedTuple):
    """How a run ended: batches left in the spool, and whether to start anew with another configuration."""

    left: int
    anew: bool


class Agent:
    """One node at work."""

    def __init__(
        self, configuration: Configuration, *, base: Path, remote: Remote, trial_seconds: float = TRIAL_SECONDS
    ) -> None:
        """Everything that can be wrong with the configuration is wrong here: ConfigurationError, AgentError."""
        settings = configuration.settings
        self._base, self._remote, self._trial_seconds = base, remote, trial_seconds
        self._desired: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._settings = settings
        self._signer = settings.node.signer()
        keys = settings.gateway.verifiers()
        tls = settings.broker.tls.context() if settings.broker.tls else None
        until = settings.broker.tls.until() if settings.broker.tls else None
        path = settings.spool.path
        self._sampler = Sampler(assemble(settings.sensor, Memory(path.with_suffix(".memory"))))
        self._spool = recovered(path, node=settings.node.id)
        self._keeper = Keeper(
            self._spool,
            path=path,
            signer=self._signer,
            quota=settings.spool.quota_mb * 2**20,
            merge_seconds=settings.batch.merge_seconds,
        )
        self._record = Record(settings.log.generated) if settings.log.generated else None
        terms = Terms(
            node=settings.node.id,
            area=settings.node.area,
            keys=keys,
            broker=settings.broker,
            tls=tls,
            batch=settings.batch,
            status=lambda *, online: health.status(
                online=online, version=_version(), configuration=configuration.hash, standing=remote.standing
            ),
            health=lambda depth, counts: health.health(
                path.parent,
                depth,
                counts,
                self._sampler.states,
                trouble=self._keeper.trouble,
                certificate_until=until,
            ),
            desire=self._desired.put,
        )
        self._publisher = Publisher(terms, path)
        self._tail = Shown(path)
        self._watchdog = Watchdog()
        self._told = threading.Event()
        self._anew = False

    def run(self, *, until_done: bool) -> Ended:
        """Until a signal, or (`until_done`) until all is played and stored, or until it must start anew."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._told.set())
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._spool)
            if self._record is not None:
                stack.enter_context(self._record)
            self._publisher.start()
            self._sampler.start()
            _give_back()
            self._watchdog.ready()
            self._work(until_done=until_done)
            self._watchdog.stopping()
            _LOG.info("stopping: handing over what is left")
            self._publisher.finish(_FOR_EVER if until_done and not self._told.is_set() else self._drain)
            return Ended(left=self._spool.depth().batches, anew=self._anew)

    @property
    def _drain(self) -> float:
        return self._settings.batch.drain_seconds

    def _work(self, *, until_done: bool) -> None:
        collector = Collector(self._settings.batch, now=time.monotonic())
        trial_until = time.monotonic() + self._trial_seconds
        while not self._told.is_set() and not self._anew and not (self._sampler.done and until_done):
            # half a second at most: a signal is not noticed while waiting for a reading
            taken = self._sampler.next(min(0.5, max(0.01, collector.wait(time.monotonic()))))
            if taken is not None:
                collector.add(taken.sensor, taken.reading)
                self._tail.show(taken.sensor, taken.reading)
            for silent in self._sampler.silent(time.monotonic()):
                collector.add(silent.sensor, silent.reading)
            if collector.due(time.monotonic()) or self._sampler.done:
                self._store(collector.take(time.monotonic()))
            self._watchdog.feed(now=time.monotonic(), read_at=self._sampler.progress, stored_at=self._keeper.stored_at)
            self._anew = self._wanted_anew() or self._trial_failed(trial_until)
            if not self._publisher.is_alive():
                raise AgentError("the publisher ended; the log says why; start the agent again")
        self._sampler.stop()
        for taken in self._sampler.rest():
            collector.add(taken.sensor, taken.reading)
        self._store(collector.take(time.monotonic()))
        self._keeper.finish()
        self._publisher.wake()

    def _wanted_anew(self) -> bool:
        """Whether the gateway wants a configuration that can be tried."""
        while not self._desired.empty():
            try:
                desired = Desired.decode(self._desired.get())
            except Malformed as error:
                _LOG.warning("ignored a configuration from afar: %s", error)
                continue
            if desired.node == self._settings.node.id and self._remote.consider(desired, self._base):
                _LOG.info("configuration %d from afar is tried", desired.version)
                return True
        return False

    def _trial_failed(self, until: float) -> bool:
        """A trial ends well when the gateway has confirmed readings of a sensor that is well."""
        if not self._remote.on_trial:
            return False
        confirmed = self._keeper.first is not None and self._publisher.counts.confirmed >= self._keeper.first
        if confirmed and any(state in {"ok", "done"} for state in self._sampler.states.values()):
            self._remote.accept()
            _LOG.info("configuration %d from afar is kept", self._remote.standing.version)
            return False
        if time.monotonic() < until:
            return False
        ill = "; ".join(f"{name}: {state}" for name, state in self._sampler.states.items() if state != "ok")
        self._remote.refuse(ill or "the gateway confirmed no reading in time")
        _LOG.warning("configuration from afar is taken back: %s", self._remote.standing.error)
        return True

    def _store(self, columns: Sequence[Sequence[Reading]]) -> None:
        if not columns and self._keeper.trouble is None:
            return
        if self._record is not None:
            self._record.write(columns)
        late = self._publisher.offline_for(time.monotonic()) > self._settings.batch.offline_seconds
        if self._keeper.store(columns, hist=late):
            self._publisher.wake()


_FOR_EVER = 365.0 * 86_400


class Record:
    """Every reading made, one JSON line each, before it is stored: the truth to judge the system by."""

    def __init__(self, path: Path) -> None:
        try:
            self._file: TextIO = path.open("a", encoding="utf-8")
        except OSError as error:
            raise AgentError(f"log.generated: {path} cannot be written ({error.strerror})") from None

    def write(self, columns: Sequence[Sequence[Reading]]) -> None:
        """Append; it is with the operating system, though perhaps not on the disk, when this returns."""
        for readings in columns:
            for reading in readings:
                line = msgspec.json.encode({"observed_at": reading.observed_at, "values": dict(reading.values)})
                self._file.write(line.decode() + "\n")
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.fsync(self._file.fileno())
        self._file.close()


def _give_back() -> None:
    """Starting up leaves some megabytes that are free and still ours; a Pi Zero 2 W has 512 MB in all."""
    gc.collect()
    with contextlib.suppress(AttributeError, OSError):  # glibc only
        ctypes.CDLL(None).malloc_trim(0)


def _version() -> str:
    try:
        return version("piekwacht")
    except PackageNotFoundError:
        return "unknown"
