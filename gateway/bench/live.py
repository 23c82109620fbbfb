"""`piekwacht bench live`: many viewers of one live feed, on this machine, through the door that the public uses.

The server is a process of its own with a real broker; a commit of a station's ten properties and now and then an event
comes a second; each viewer is a bare connection that notes when the last byte of each frame arrived. Client and
server share the machine, so the figures are an upper bound. CPU is the server's alone, memory what it holds more
than it did without viewers, its sockets' kernel buffers not counted.
"""

import asyncio
import json
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import cast

import uvloop

from gateway.api.app import serve
from gateway.api.settings import ApiSettings
from gateway.broker import BrokerSettings, client
from gateway.embedded import Broker, Postgres
from gateway.errors import StartError
from gateway.live import LiveMessage, LiveObservation
from gateway.processes import answers, free_port
from gateway.store.migrate import migrate

_PER_SOURCE = 20_000  # connections from one loopback address: ports are not endless
_PROPERTIES = 10


def run(viewers: int, seconds: int) -> None:
    """Print a line of JSON with `viewers`, `p50_seconds`, `p99_seconds`, `kib_per_viewer`, `cpu_percent`."""
    if viewers < 1 or seconds < 2:
        raise StartError("bench live: --viewers must be at least 1 and --seconds at least 2")
    _raise_limit(viewers + 500)
    with tempfile.TemporaryDirectory(prefix="piekwacht-bench-") as folder:
        Path(folder).chmod(0o711)
        with Postgres(Path(folder)) as database, Broker(Path(folder) / "broker") as broker:
            dsn = database.create_database("bench")
            migrate(dsn)
            port = free_port()
            settings = ApiSettings(port=port, viewers=viewers + 10, viewers_per_address=viewers + 10)
            server = multiprocessing.get_context("spawn").Process(
                target=_serve, args=(settings, dsn, broker.settings), daemon=True
            )
            server.start()
            try:
                while not answers("127.0.0.1", port):
                    time.sleep(0.05)
                figures = uvloop.run(_measure(viewers, seconds, port, broker.settings, server))
            finally:
                server.terminate()
                server.join(10)
    print(json.dumps(figures), flush=True)  # noqa: T201 - a command prints


def _serve(settings: ApiSettings, dsn: str, broker: BrokerSettings) -> None:
    _raise_limit(settings.viewers + 200)
    uvloop.run(serve(settings, dsn, broker))


def _raise_limit(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            raise StartError(f"bench live: {wanted} open files are needed and {hard} allowed: ulimit -n {wanted}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class _Eye(asyncio.Protocol):
    """One viewer: counts whole commits by the blank line after each last frame."""

    def __init__(self, ages: list[float], sent: dict[int, float], open_: set["_Eye"]) -> None:
        self._ages, self._sent, self._open, self._rest = ages, sent, open_, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._open.add(self)
        cast("asyncio.Transport", transport).write(b"GET /api/v1/live HTTP/1.1\r\nHost: here\r\n\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._open.discard(self)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        *whole, self._rest = (self._rest + data).split(b"\n\n")
        for frame in whole:
            if frame.startswith(b"id: "):
                at = self._sent.get(int(frame[4 : frame.index(b"\n")]))
                if at is not None:
                    self._ages.append(now - at)


async def _measure(
    viewers: int, seconds: int, port: int, broker: BrokerSettings, server: BaseProcess
) -> dict[str, float]:
    pid = server.pid or 0
    ages: list[float] = []
    sent: dict[int, float] = {}
    eyes: set[_Eye] = set()
    async with client(broker, "bench") as publisher:
        for number in range(1, 4):  # what is made at first use is made before it is measured
            await publisher.publish("pw/v1/ijmond/live", _commit(number).encode())
            await asyncio.sleep(0.3)
        before = _memory(pid)
        await _look(viewers, port, ages, sent, eyes)
        ages.clear()
        began, used = time.monotonic(), _cpu(pid)
        for number in range(4, 4 + seconds):
            message = _commit(number).encode()
            sent[number] = time.monotonic()
            await publisher.publish("pw/v1/ijmond/live", message)
            await asyncio.sleep(max(0.0, began + number - 3 - time.monotonic()))
        cpu = 100 * (_cpu(pid) - used) / (time.monotonic() - began)
        memory = (_memory(pid) - before) / 1024 / viewers
    await asyncio.sleep(1)
    if len(ages) < viewers * seconds:
        raise StartError(f"bench live: {len(ages)} of {viewers * seconds} frames arrived at {len(eyes)} viewers")
    return {
        "viewers": len(eyes),
        **_percentiles(ages),
        "kib_per_viewer": round(memory, 2),
        "cpu_percent": round(cpu, 1),
    }


async def _look(count: int, port: int, ages: list[float], sent: dict[int, float], eyes: set[_Eye]) -> None:
    loop = asyncio.get_running_loop()
    for first in range(0, count, 200):
        opening = []
        for number in range(first, min(count, first + 200)):
            source = f"127.0.0.{2 + number // _PER_SOURCE}", 0
            opening.append(loop.create_connection(lambda: _Eye(ages, sent, eyes), "127.0.0.1", port, local_addr=source))
        await asyncio.gather(*opening)
    await asyncio.sleep(2)


def _commit(number: int) -> LiveMessage:
    now = datetime.now(UTC)
    observations = [
        LiveObservation(
            station="wijk-aan-zee", observed_property=f"p{i}", observed_at=now, value=8.0 + number + i / 10, flags=0
        )
        for i in range(_PROPERTIES)
    ]
    return LiveMessage(id=number, area="ijmond", committed_at=now, observations=observations, events=[])


def _percentiles(ages: Sequence[float]) -> dict[str, float]:
    ordered = sorted(ages)
    return {
        "p50_seconds": round(ordered[len(ordered) // 2], 4),
        "p99_seconds": round(ordered[int(len(ordered) * 0.99)], 4),
    }


def _memory(pid: int) -> int:
    """Resident bytes of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _cpu(pid: int) -> float:
    """Seconds of processor a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
