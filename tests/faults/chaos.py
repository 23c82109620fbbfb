"""A TCP proxy that behaves like a bad network: it cuts, stalls and discards. It runs a loop in a thread."""

import asyncio
import contextlib
import random
import threading
from collections.abc import Iterator
from enum import StrEnum
from typing import Self


class NetworkState(StrEnum):
    """How the network treats traffic."""

    FINE = "fine"
    CUT = "cut"  # connections end, new ones are refused
    HALF_OPEN = "half open"  # data is accepted and never arrives, and no side is notified


class ChaosProxy:
    """Forwards `port` to `target_port`; `cut_chance` is the chance per chunk that the connection is cut."""

    def __init__(self, target_port: int, *, seed: int, cut_chance: float = 0.0) -> None:
        self.state, self.cut_chance = NetworkState.FINE, cut_chance
        self.port, self.cuts = 0, 0
        self._target_port, self._rng = target_port, random.Random(seed)
        self._writers: set[asyncio.StreamWriter] = set()
        self._ready, self._stop = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def set_state(self, state: NetworkState) -> None:
        """Change the state; a cut closes all connections."""
        self.state = state
        if state is not NetworkState.HALF_OPEN:  # half-open connections never recover by themselves
            self._loop.call_soon_threadsafe(self._cut_all)

    def _cut_all(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        async with server:
            await self._stop.wait()
            self._cut_all()
            await asyncio.sleep(0.1)  # tasks of cut connections end

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.state is NetworkState.CUT:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        await asyncio.gather(self._forward(reader, far_writer), self._forward(far_reader, writer))
        self._writers -= {writer, far_writer}
        writer.transport.abort()
        far_writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(4096):
                if self.state is NetworkState.HALF_OPEN:
                    continue
                if self._rng.random() < self.cut_chance:
                    self.cuts += 1
                    writer.write(data[: self._rng.randrange(len(data))])  # in the middle of a packet
                    break
                writer.write(data)
                await writer.drain()
        writer.transport.abort()

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)


@contextlib.contextmanager
def start_proxy(target_port: int, *, seed: int, cut_chance: float = 0.0) -> Iterator[ChaosProxy]:
    """Run a proxy for the length of a block."""
    with ChaosProxy(target_port, seed=seed, cut_chance=cut_chance) as proxy:
        yield proxy
