"""The agent: sensors -> collector -> spool -> publisher, put together and taken apart in order."""

import contextlib
import ctypes
import functools
import gc
import logging
import queue
import signal
import threading
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from edge_agent import health
from edge_agent.batch_builder import change_incarnation
from edge_agent.collector import Collector
from edge_agent.errors import AgentError
from edge_agent.hardware import read_hardware_id
from edge_agent.publisher import Publisher
from edge_agent.reading_log import ReadingLog
from edge_agent.remote_config import TRIAL_SECONDS, RemoteConfig
from edge_agent.sampler import Sampler, SensorReading
from edge_agent.sensor_factory import create_sensors
from edge_agent.sensor_state import SensorState
from edge_agent.sensors.sensor import Reading, Sensor
from edge_agent.session import SessionContext
from edge_agent.settings import Configuration
from edge_agent.spool_writer import SpoolWriter, open_or_recover
from edge_agent.tail import TailSender
from edge_agent.watchdog import Watchdog
from edge_agent.wire import DesiredConfig, MalformedError

_LOG = logging.getLogger(__name__)


class RunResult(NamedTuple):
    """How a run ended: batches left in the spool, and whether to start anew with another configuration."""

    batches_left: int
    restart: bool


class Agent:
    """One node at work."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        base: Path,
        remote_config: RemoteConfig,
        trial_seconds: float = TRIAL_SECONDS,
        sensors: Sequence[Sensor] | None = None,
    ) -> None:
        """Everything that can be wrong with the configuration is wrong here: ConfigurationError, AgentError.

        `sensors`: in place of those of the configuration.
        """
        settings = configuration.settings
        self._base, self._remote_config, self._trial_seconds = base, remote_config, trial_seconds
        self._desired: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._settings = settings
        self._signer = settings.node.load_signer()
        keys = settings.gateway.load_verifiers()
        tls = settings.broker.tls.load_context() if settings.broker.tls else None
        certificate_expiry = settings.broker.tls.read_expiry() if settings.broker.tls else None
        path = settings.spool.path
        if sensors is None:
            sensors = create_sensors(settings.sensor, SensorState(path.with_suffix(".memory")))
        self._sampler = Sampler(sensors)
        self._spool = open_or_recover(path, node=settings.node.id)
        self._spool_writer = SpoolWriter(
            self._spool,
            path=path,
            signer=self._signer,
            quota=settings.spool.quota_mb * 2**20,
            merge_seconds=settings.batch.merge_seconds,
        )
        self._spool_writer.bind_hardware(read_hardware_id())
        self._reading_log = ReadingLog(settings.log.generated) if settings.log.generated else None
        context = SessionContext(
            node=settings.node.id,
            area=settings.node.area,
            keys=keys,
            broker=settings.broker,
            tls=tls,
            batch=settings.batch,
            encode_status=lambda *, online: health.encode_status(
                online=online,
                version=_read_version(),
                configuration=configuration.hash,
                remote_state=remote_config.state,
            ),
            encode_health=lambda depth, counts, renewal: health.encode_health(
                path.parent,
                depth,
                counts,
                self._sampler.states,
                refused_values=self._sampler.refused_counts,
                spool_problem=self._spool_writer.problem,
                renewal=renewal,
                certificate_until=certificate_expiry,
            ),
            change_incarnation=functools.partial(change_incarnation, signer=self._signer),
            on_desired_config=self._desired.put,
        )
        self._publisher = Publisher(context, path)
        self._tail_sender = TailSender(path)
        self._watchdog = Watchdog()
        self._stop = threading.Event()
        self._restart = False

    def run(self, *, until_done: bool) -> RunResult:
        """Until a signal, or (`until_done`) until all is played and stored, or until it must start anew."""
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signal_number, lambda *_: self._stop.set())
        with self._spool, self._reading_log or contextlib.nullcontext():
            self._publisher.start()
            self._sampler.start()
            _release_memory()
            self._watchdog.notify_ready()
            self._process_readings(until_done=until_done)
            self._watchdog.notify_stopping()
            _LOG.info("stopping: handing over what is left")
            self._publisher.finish(_NO_TIMEOUT if until_done and not self._stop.is_set() else self._drain_seconds)
            return RunResult(batches_left=self._spool.measure_depth().batches, restart=self._restart)

    @property
    def _drain_seconds(self) -> float:
        return self._settings.batch.drain_seconds

    def _process_readings(self, *, until_done: bool) -> None:
        collector = Collector(self._settings.batch, now=time.monotonic())
        trial_deadline = time.monotonic() + self._trial_seconds
        while not self._stop.is_set() and not self._restart and not (self._sampler.is_done and until_done):
            self._collect_readings(collector)
            for fault in self._sampler.fault_readings(time.monotonic()):
                collector.add(fault.sensor, fault.reading)
            if collector.is_due(time.monotonic()) or self._sampler.is_done:
                self._store(collector.take_runs(time.monotonic()))
            self._watchdog.feed(
                now=time.monotonic(), read_at=self._sampler.last_reading_at, stored_at=self._spool_writer.stored_at
            )
            self._restart = self._start_requested_trial() or self._has_trial_failed(trial_deadline)
            if not self._publisher.is_alive():
                raise AgentError("the publisher ended; the log says why; start the agent again")
        self._sampler.stop()
        for item in self._sampler.drain():
            self._collect(collector, item)
        self._store(collector.take_runs(time.monotonic()))
        self._spool_writer.flush()
        self._publisher.wake()

    def _collect_readings(self, collector: Collector) -> None:
        """Wait for readings, half a second at most, as a signal is not noticed meanwhile."""
        timeout = min(0.5, max(0.01, collector.seconds_until_due(time.monotonic())))
        readings = self._sampler.take_readings(timeout, due_at=collector.due_at, many=self._settings.batch.max_readings)
        for item in readings:
            self._collect(collector, item)
        self._tail_sender.send(readings)

    def _collect(self, collector: Collector, item: SensorReading) -> None:
        collector.add(item.sensor, item.reading)
        if collector.is_full:
            self._store(collector.take_runs(time.monotonic()))

    def _start_requested_trial(self) -> bool:
        """Whether the gateway wants a configuration that can be tried."""
        while not self._desired.empty():
            try:
                desired = DesiredConfig.decode(self._desired.get())
            except MalformedError as error:
                _LOG.warning("ignored a remote configuration: %s", error)
                continue
            if desired.node == self._settings.node.id and self._remote_config.start_trial(desired, self._base):
                _LOG.info("remote configuration %d is on trial", desired.version)
                return True
        return False

    def _has_trial_failed(self, deadline: float) -> bool:
        """A trial ends well when the gateway has confirmed readings of a sensor that is well."""
        if not self._remote_config.is_on_trial:
            return False
        first_seq = self._spool_writer.first_seq
        is_confirmed = first_seq is not None and self._publisher.counts.confirmed >= first_seq
        if is_confirmed and any(state in {"ok", "done"} for state in self._sampler.states.values()):
            self._remote_config.accept_trial()
            _LOG.info("remote configuration %d is accepted", self._remote_config.state.version)
            return False
        if time.monotonic() < deadline:
            return False
        problems = "; ".join(f"{name}: {state}" for name, state in self._sampler.states.items() if state != "ok")
        self._remote_config.refuse_trial(problems or "the gateway confirmed no reading in time")
        _LOG.warning("remote configuration is taken back: %s", self._remote_config.state.error)
        return True

    def _store(self, runs: Sequence[Sequence[Reading]]) -> None:
        if not runs and self._spool_writer.problem is None:
            return
        if self._reading_log is not None:
            self._reading_log.write(runs)
        is_late = self._publisher.offline_seconds(time.monotonic()) > self._settings.batch.offline_seconds
        if self._spool_writer.store(runs, hist=is_late):
            self._publisher.wake()


_NO_TIMEOUT = 365.0 * 86_400


def _release_memory() -> None:
    """Starting up leaves some megabytes that are free and still ours; a Pi Zero 2 W has 512 MB in all."""
    gc.collect()
    with contextlib.suppress(AttributeError, OSError):  # glibc only
        ctypes.CDLL(None).malloc_trim(0)


def _read_version() -> str:
    try:
        return version("piekwacht")
    except PackageNotFoundError:
        return "unknown"
