"""Viewers of a live feed, whoever gives it, and what they see of a commit a second."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from gateway.errors import StartError
from gateway.live.message import LiveMessage, LiveObservation

_PER_SOURCE = 20_000  # connections from one loopback address: ports are not endless
_PROPERTIES = 10


class Eye(asyncio.Protocol):
    """One viewer: counts whole commits by the blank line after each last frame; `number` reads which one it is of."""

    def __init__(self, crowd: "Crowd") -> None:
        self._crowd, self._rest = crowd, b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the feed."""
        self._crowd.open.add(self)
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._crowd.request)

    def connection_lost(self, exc: Exception | None) -> None:
        """The server has gone."""
        del exc
        self._crowd.open.discard(self)

    def leave(self) -> None:
        """It has seen enough."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Note the age of each frame."""
        now = time.monotonic()
        *whole, self._rest = (self._rest + data).split(b"\n\n")
        for frame in whole:
            at = self._crowd.sent.get(self._crowd.number(frame))
            if at is not None:
                self._crowd.ages.append(now - at)


class Crowd:
    """All viewers of one server, and what they saw."""

    def __init__(self, port: int, request: bytes, number: Callable[[bytes], int]) -> None:
        self.port, self.request, self.number = port, request, number
        self.ages: list[float] = []
        self.sent: dict[int, float] = {}
        self.open: set[Eye] = set()

    async def gather(self, count: int) -> None:
        """Open that many."""
        loop = asyncio.get_running_loop()
        for first in range(0, count, 200):
            opening = []
            for number in range(first, min(count, first + 200)):
                source = f"127.0.0.{2 + number // _PER_SOURCE}", 0
                opening.append(loop.create_connection(lambda: Eye(self), "127.0.0.1", self.port, local_addr=source))
            await asyncio.gather(*opening)
        await asyncio.sleep(2)


async def measure(
    crowd: Crowd, viewers: int, seconds: int, pid: int, publish: Callable[[int], Awaitable[None]]
) -> dict[str, float]:
    """A commit a second to all viewers of the server `pid`. Raises StartError where not every frame arrived."""
    for number in range(1, 4):  # what is made at first use is made before it is measured
        await publish(number)
        await asyncio.sleep(0.3)
    before = _memory(pid)
    await crowd.gather(viewers)
    crowd.ages.clear()
    began, used = time.monotonic(), _cpu(pid)
    for number in range(4, 4 + seconds):
        crowd.sent[number] = time.monotonic()
        await publish(number)
        await asyncio.sleep(max(0.0, began + number - 3 - time.monotonic()))
    cpu = 100 * (_cpu(pid) - used) / (time.monotonic() - began)
    memory = (_memory(pid) - before) / 1024 / viewers
    await asyncio.sleep(1)
    if len(crowd.ages) < viewers * seconds:
        wanted = viewers * seconds
        raise StartError(f"bench live: {len(crowd.ages)} of {wanted} frames arrived at {len(crowd.open)} viewers")
    there = len(crowd.open)
    for one in list(crowd.open):
        one.leave()
    await asyncio.sleep(0.1)
    return {
        "viewers": there,
        **_percentiles(crowd.ages),
        "kib_per_viewer": round(memory, 2),
        "cpu_percent": round(cpu, 1),
    }


def commit(number: int) -> LiveMessage:
    """Ten values of one station."""
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
