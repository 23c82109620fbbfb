"""Runs each service of `piekwacht up` in a separate process, and starts it again when it ends or stops answering.

No service delays another. A service that has not answered for 10 s is ended with SIGABRT, so that its log shows where
it hung.
"""

import asyncio
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from alerting.log import get_logger
from gateway import telemetry
from gateway.system import merged_metrics
from gateway.system.child_process import find_free_port, make_parent_death_hook
from gateway.system.service_manager import SILENCE_LIMIT

_LOG = get_logger("gateway.service")
_START_LIMIT = 180.0  # s until a service is ready: the first start of all compiles kernels
_REFUSAL_LIMIT = 60.0  # s in which a service that ends by itself at its first start cannot start at all
_CHECK_INTERVAL = 0.5  # s
_FIRST_PAUSE, _MAX_PAUSE = 0.2, 60.0  # s until a service is started again; doubled each time
_STEADY = 60.0  # s after which a service counts as steady, and the next pause is the first one again
_STOP_TIMEOUT = 20.0  # s until a service that does not stop is killed
_OPTIONAL = frozenset({"evaluation", "subscriptions"})  # inspectors are notified without them
_ABORT_TIMEOUT = 3.0  # s for a service to write where it hangs


class EndReason(StrEnum):
    """Why a process of a service is over."""

    EXIT = "exit"
    SILENCE = "silence"
    SLOW_START = "slow_start"


@dataclass(kw_only=True)
class Liveness:
    """The reports of a process; times in monotonic seconds."""

    heard_at: float
    checked_at: float
    is_ready: bool = False

    def judge(self, now: float, *, has_reported: bool) -> EndReason | None:
        """Return why the process must end now, if it must.

        A check that comes late itself proves nothing: this process stood still as well, as on a laptop that slept.
        """
        if has_reported or now - self.checked_at > SILENCE_LIMIT / 2:
            self.heard_at = now
        self.is_ready |= has_reported
        self.checked_at = now
        limit, reason = (SILENCE_LIMIT, EndReason.SILENCE) if self.is_ready else (_START_LIMIT, EndReason.SLOW_START)
        return reason if now - self.heard_at > limit else None


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a process of a service ended."""

    reason: EndReason
    exit_code: int  # negative: minus the signal
    seconds: float  # that it ran

    @property
    def is_refusal(self) -> bool:
        """Whether it ended by itself soon after its start, as with a port in use or a wrong password."""
        return self.exit_code > 0 and self.seconds < _REFUSAL_LIMIT


@dataclass(kw_only=True)
class SupervisedService:
    """One service. If it is `required` and cannot start, no service runs."""

    name: str
    command: Sequence[str]
    required: bool = True
    metrics_port: int = field(default_factory=find_free_port)


class ServiceRefusedError(Exception):
    """A service ended at its first start, after one sentence on standard error."""

    def __init__(self, service_name: str, exit_code: int) -> None:
        super().__init__(f"{service_name} ended at its start with exit code {exit_code}")
        self.exit_code = exit_code


def build_services(config: Path, *, has_evaluation: bool, has_subscriptions: bool = False) -> list[SupervisedService]:
    """Return the services of `piekwacht up` with these settings."""
    commands = {"gateway": ["gateway"], "api": ["api"], "alerting": ["alerting"]}
    if has_evaluation:
        commands["evaluation"] = ["evaluate"]
    if has_subscriptions:
        commands["subscriptions"] = ["subscriptions", "run"]
    return [
        SupervisedService(
            name=name,
            command=[sys.executable, "-m", "gateway", *command, "--config", str(config)],
            required=name not in _OPTIONAL,
        )
        for name, command in commands.items()
    ]


async def supervise(services: Sequence[SupervisedService], *, host: str, port: int | None) -> None:
    """Keep the services running until cancelled; serve the metrics of all at `host` and `port`.

    Raises ServiceRefusedError if a required service cannot start, StartError if the port is in use.
    """
    merged = merged_metrics.merge_services({service.name: service.metrics_port for service in services})
    merged_port = find_free_port()
    merged_metrics.serve("127.0.0.1", merged_port, merged)
    if port is not None:
        merged_metrics.serve(host, port, merged)
    async with asyncio.TaskGroup() as group:
        for service in services:
            group.create_task(_keep_running(service, merged_port), name=service.name)


async def _keep_running(service: SupervisedService, merged_port: int) -> None:
    pause, is_first = _FIRST_PAUSE, True
    while True:
        ending = await _run_once(service, merged_port)
        if service.required and is_first and ending.is_refusal:
            raise ServiceRefusedError(service.name, ending.exit_code)
        is_first = False
        pause = _FIRST_PAUSE if ending.seconds > _STEADY else pause
        telemetry.RESTARTS.labels(service.name, ending.reason).inc()
        _LOG.warning(
            "service ended; starting it again",
            service=service.name,
            reason=str(ending.reason),
            exit_code=ending.exit_code,
            pause_seconds=pause,
        )
        await asyncio.sleep(pause)
        pause = min(2 * pause, _MAX_PAUSE)


async def _run_once(service: SupervisedService, merged_port: int) -> Ending:
    """Start the service and return how it ended. When cancelled, stop it in order."""
    started_at = time.monotonic()
    liveness = Liveness(heard_at=started_at, checked_at=started_at)
    with _open_report_socket() as (reports, address):
        process = await asyncio.create_subprocess_exec(
            *service.command,
            stdin=asyncio.subprocess.DEVNULL,
            env={
                **os.environ,
                **merged_metrics.build_environment(service.metrics_port, merged_port),
                "NOTIFY_SOCKET": address,
            },
            preexec_fn=make_parent_death_hook(os.getpid()),
            process_group=0,  # Ctrl-C in the terminal reaches only us, and we stop the services in order
        )
        try:
            reason = await _watch(process, reports, liveness)
            if reason is not EndReason.EXIT:
                _LOG.error("service does not answer", service=service.name, limit_seconds=SILENCE_LIMIT)
                await _end(process, signal.SIGABRT, _ABORT_TIMEOUT)
        finally:
            await _end(process, signal.SIGTERM, _STOP_TIMEOUT)
    return Ending(
        reason=reason,
        exit_code=await process.wait(),
        seconds=time.monotonic() - started_at,
    )


async def _watch(process: asyncio.subprocess.Process, reports: socket.socket, liveness: Liveness) -> EndReason:
    """Wait until the process ends, or until it must end."""
    exited = asyncio.create_task(process.wait())
    try:
        while not (await asyncio.wait({exited}, timeout=_CHECK_INTERVAL))[0]:
            reason = liveness.judge(time.monotonic(), has_reported=_read_reports(reports))
            if reason is not None:
                return reason
    finally:
        exited.cancel()
    return EndReason.EXIT


def _read_reports(reports: socket.socket) -> bool:
    """Read all that waits; True if the service reported anything."""
    has_reported = False
    with suppress(BlockingIOError):
        while reports.recv(256):
            has_reported = True
    return has_reported


@contextmanager
def _open_report_socket() -> Iterator[tuple[socket.socket, str]]:
    with (
        tempfile.TemporaryDirectory(prefix="piekwacht-up-") as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as reports,
    ):
        address = str(Path(folder) / "notify")
        reports.bind(address)
        reports.settimeout(0)
        yield reports, address


async def _end(process: asyncio.subprocess.Process, first_signal: signal.Signals, seconds: float) -> None:
    """Send the signal, wait these seconds, then kill; nothing if it has ended."""
    with suppress(ProcessLookupError):
        if process.returncode is None:
            process.send_signal(first_signal)
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), seconds)
        if process.returncode is None:
            process.kill()
            await process.wait()
