"""Viewers of any server's live feed, and the age of the frames that they receive at one commit per second."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from gateway.errors import StartError
from gateway.live.message import LiveMessage, LiveObservation

_CONNECTIONS_PER_SOURCE = 20_000  # connections from one loopback address, within its range of ports
_PROPERTIES = 10


class FeedViewer(asyncio.Protocol):
    """One viewer. It counts commits by the blank line after the last frame; `number` parses the commit number."""

    def __init__(self, group: "ViewerGroup") -> None:
        self._group, self._buffer = group, b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Request the feed."""
        self._group.connected.add(self)
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._group.request)

    def connection_lost(self, exc: Exception | None) -> None:
        """The server has gone."""
        del exc
        self._group.connected.discard(self)

    def disconnect(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Note the age of each frame."""
        now = time.monotonic()
        *frames, self._buffer = (self._buffer + data).split(b"\n\n")
        for frame in frames:
            at = self._group.sent_at.get(self._group.frame_number(frame))
            if at is not None:
                self._group.ages.append(now - at)


class ViewerGroup:
    """All viewers of one server, and the frames that they received."""

    def __init__(self, port: int, request: bytes, frame_number: Callable[[bytes], int]) -> None:
        self.port, self.request, self.frame_number = port, request, frame_number
        self.ages: list[float] = []
        self.sent_at: dict[int, float] = {}
        self.connected: set[FeedViewer] = set()

    async def connect_all(self, count: int) -> None:
        """Open so many viewers."""
        loop = asyncio.get_running_loop()
        for first in range(0, count, 200):
            opening = []
            for number in range(first, min(count, first + 200)):
                source = f"127.0.0.{2 + number // _CONNECTIONS_PER_SOURCE}", 0
                opening.append(
                    loop.create_connection(lambda: FeedViewer(self), "127.0.0.1", self.port, local_addr=source)
                )
            await asyncio.gather(*opening)
        await asyncio.sleep(2)


async def measure_viewers(
    group: ViewerGroup, viewers: int, seconds: int, pid: int, publish: Callable[[int], Awaitable[None]]
) -> dict[str, float]:
    """Send one commit per second to all viewers of server `pid`. Raises StartError if a frame is missing."""
    for number in range(1, 4):  # warm-up: lazily created objects exist before the measurement
        await publish(number)
        await asyncio.sleep(0.3)
    memory_before = _resident_bytes(pid)
    await group.connect_all(viewers)
    group.ages.clear()
    start, cpu_before = time.monotonic(), _cpu_seconds(pid)
    for number in range(4, 4 + seconds):
        group.sent_at[number] = time.monotonic()
        await publish(number)
        await asyncio.sleep(max(0.0, start + number - 3 - time.monotonic()))
    cpu = 100 * (_cpu_seconds(pid) - cpu_before) / (time.monotonic() - start)
    memory = (_resident_bytes(pid) - memory_before) / 1024 / viewers
    await asyncio.sleep(1)
    if len(group.ages) < viewers * seconds:
        expected = viewers * seconds
        raise StartError(
            f"bench live: {len(group.ages)} of {expected} frames arrived at {len(group.connected)} viewers"
        )
    connected = len(group.connected)
    for viewer in list(group.connected):
        viewer.disconnect()
    await asyncio.sleep(0.1)
    return {
        "viewers": connected,
        **_percentiles(group.ages),
        "kib_per_viewer": round(memory, 2),
        "cpu_percent": round(cpu, 1),
    }


def build_message(number: int) -> LiveMessage:
    """Return ten values of one station."""
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


def _resident_bytes(pid: int) -> int:
    """Return the resident bytes of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
