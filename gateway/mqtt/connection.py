"""A connection to the broker on which nothing is acknowledged before its time.

The broker's session outlives the connection: what was not acknowledged comes again on the next one.
How much waits here is bounded twice: by the broker's own window of unacknowledged messages, and by
`most`, at which reading from the socket pauses, but for an answer that is awaited; nothing is ever discarded.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress

from gateway.mqtt import packets
from gateway.mqtt.packets import Kind, Message, Packet, ProtocolError
from gateway.mqtt.settings import BrokerSettings

_KEEPALIVE = 30  # s
_CHUNK = 1 << 18  # bytes read at once
_PATIENCE = 10.0  # s for an answer to CONNECT and SUBSCRIBE
_REFUSED = 0x80  # return code of a SUBACK
_REFUSALS = {  # return codes of a CONNACK, section 3.2.2.3
    1: "it does not speak MQTT 3.1.1",
    2: "it does not take this client id",
    3: "its MQTT service is not available",
    4: "wrong user name or password",
    5: "not authorised",
}


class BrokerAwayError(Exception):
    """The broker cannot be reached, refuses us, or is gone."""


@asynccontextmanager
async def linked(settings: BrokerSettings, identifier: str, *, most: int) -> AsyncGenerator["Link", None]:
    """A link until the block is left. BrokerAwayError where there is none; inside, from every call on a dead one."""
    try:
        async with asyncio.timeout(_PATIENCE):
            link = await _connected(settings, identifier, most=most)
    except TimeoutError:
        raise BrokerAwayError(f"no answer in {_PATIENCE:.0f} s") from None
    except (OSError, ProtocolError) as error:
        raise BrokerAwayError(_said(error)) from None
    tasks = [asyncio.create_task(link.read()), asyncio.create_task(link.keep_alive())]
    try:
        yield link
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await link.leave()


async def _connected(settings: BrokerSettings, identifier: str, *, most: int) -> "Link":
    tls = settings.tls.context() if settings.tls else None
    streams = await asyncio.open_connection(settings.host, settings.port, limit=_CHUNK, ssl=tls)
    link = Link(*streams, most=most)
    try:
        await link.introduce(settings, identifier)
    except BaseException:
        streams[1].close()
        raise
    return link


def _said(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


class Link:
    """One connection; made by `linked`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, most: int) -> None:
        self._reader, self._writer, self._most = reader, writer, most
        self._packets = packets.Reader()
        self._messages: deque[Message] = deque()
        self._changed = asyncio.Condition()
        self._answers: deque[Packet] = deque()
        self._asking = False  # whether an answer is awaited, which may stand behind any number of messages
        self._trouble: str | None = None
        self._heard_at = time.monotonic()
        self._number = 0

    def __len__(self) -> int:
        """Messages that are here and not yet taken."""
        return len(self._messages)

    async def introduce(self, settings: BrokerSettings, identifier: str) -> None:
        """CONNECT, and wait for the answer; before anything else."""
        password = settings.password_file.read_text().strip() if settings.password_file else None
        self._writer.write(
            packets.connect(identifier, username=settings.username, password=password, keepalive=_KEEPALIVE)
        )
        while not self._answers:
            await self._take(await self._reader.read(_CHUNK))
        answer = self._answers.popleft()
        if answer.kind != Kind.CONNACK or len(answer.body) != 2:
            raise BrokerAwayError("what answers there is no MQTT broker")
        if code := answer.body[1]:
            raise BrokerAwayError(f"the broker refuses us: {_REFUSALS.get(code, f'code {code}')}")

    async def subscribe(self, filters: Sequence[str]) -> None:
        """At QoS 1."""
        self._asking = True
        await self._send(packets.subscribe(self._next(), filters))
        try:
            async with asyncio.timeout(_PATIENCE), self._changed:
                self._changed.notify_all()
                await self._changed.wait_for(lambda: self._answers or self._trouble)
        except TimeoutError:
            raise BrokerAwayError("the broker does not answer a subscription") from None
        finally:
            self._asking = False
        self._check()
        codes = self._answers.popleft().body[2:]
        refused = [one for one, code in zip(filters, codes, strict=False) if code == _REFUSED]
        if refused:
            raise BrokerAwayError(f"the broker does not let us read {', '.join(refused)}; check its access list")

    async def take(self, limit: int, window: float) -> list[Message]:
        """At least one message; then what has come within `window` seconds, `limit` at most.

        Cancelled, it takes none: they stay for the next call.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._messages or self._trouble)
        self._check()
        if len(self._messages) < limit:
            await asyncio.sleep(window)
        taken = [self._messages.popleft() for _ in range(min(limit, len(self._messages)))]
        async with self._changed:
            self._changed.notify_all()  # there is room again
        return taken

    async def acknowledge(self, messages: Sequence[Message]) -> None:
        """Tell the broker that these need not come again."""
        await self._send(packets.acknowledge(messages))

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False, sure: bool = False) -> None:
        """Hand to the broker; `sure`: at QoS 1, though nobody waits for its answer."""
        await self._send(packets.publish(topic, payload, number=self._next() if sure else 0, retain=retain))

    async def read(self) -> None:
        """Until the connection ends: what comes, as long as there is room for it."""
        trouble = "the broker closed the connection"
        try:
            while data := await self._reader.read(_CHUNK):
                await self._take(data)
                async with self._changed:
                    await self._changed.wait_for(lambda: self._asking or len(self._messages) < self._most)
                self._heard_at = time.monotonic()
        except (OSError, ProtocolError) as error:
            trouble = _said(error)
        await self._end(trouble)

    async def keep_alive(self) -> None:
        """Ask now and then whether the broker is there."""
        while True:
            await asyncio.sleep(_KEEPALIVE / 2)
            if len(self._messages) < self._most and time.monotonic() > self._heard_at + 1.5 * _KEEPALIVE:
                return await self._end("the broker is silent")
            with suppress(BrokerAwayError):
                await self._send(packets.PINGREQ)

    async def leave(self) -> None:
        """Say goodbye where anybody still hears it."""
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                if self._trouble is None:
                    self._writer.write(packets.DISCONNECT)
                    await self._writer.drain()
                self._writer.close()
                await self._writer.wait_closed()

    async def _take(self, data: bytes) -> None:
        if not data:
            raise BrokerAwayError("the broker closed the connection")
        async with self._changed:
            for packet in self._packets.feed(data):
                if isinstance(packet, Message):
                    self._messages.append(packet)
                elif packet.kind in {Kind.CONNACK, Kind.SUBACK}:
                    self._answers.append(packet)
            self._changed.notify_all()

    async def _send(self, data: bytes) -> None:
        self._check()
        self._writer.write(data)
        try:
            await self._writer.drain()
        except OSError as error:
            raise BrokerAwayError(_said(error)) from None

    async def _end(self, trouble: str) -> None:
        self._trouble = self._trouble or trouble
        async with self._changed:
            self._changed.notify_all()

    def _check(self) -> None:
        if self._trouble is not None:
            raise BrokerAwayError(self._trouble)

    def _next(self) -> int:
        self._number = self._number % 0xFFFF + 1
        return self._number
