"""A connection to the broker on which the caller decides when a message is acknowledged.

The broker's session outlives the connection: it delivers unacknowledged messages again on the next one. The messages
that wait here are bounded in number (`max_waiting`) and in bytes. At either limit reading from the socket pauses,
unless a reply is expected. Nothing is ever discarded but the end of messages that are too long for any batch.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress

from gateway.mqtt import packets
from gateway.mqtt.packets import Message, Packet, PacketType, ProtocolError
from gateway.mqtt.settings import BrokerSettings

_KEEPALIVE = 30  # s
_READ_BYTES = 1 << 18  # bytes read at once
_MAX_WAITING_BYTES = 16 << 20  # payloads that wait: thousands of batches, or some that were merged offline
_MAX_RECEIVED_BYTES = 8 << 20  # payloads that one call of `receive` returns
_REPLY_TIMEOUT = 10.0  # s for the reply to CONNECT and SUBSCRIBE
_SUBACK_FAILURE = 0x80  # return code of a SUBACK
_CONNACK_REFUSALS = {  # return codes of a CONNACK, section 3.2.2.3
    1: "it does not support MQTT 3.1.1",
    2: "it does not accept this client id",
    3: "its MQTT service is not available",
    4: "wrong user name or password",
    5: "not authorised",
}


class BrokerUnavailableError(Exception):
    """The broker cannot be reached, refuses us, or closed the connection."""


@asynccontextmanager
async def open_connection(
    settings: BrokerSettings, client_id: str, *, max_waiting: int
) -> AsyncGenerator["MqttConnection", None]:
    """Connect for the length of a block. BrokerUnavailableError if that fails, or from every call once it is closed."""
    try:
        async with asyncio.timeout(_REPLY_TIMEOUT):
            connection = await _connect(settings, client_id, max_waiting=max_waiting)
    except TimeoutError:
        raise BrokerUnavailableError(f"no answer in {_REPLY_TIMEOUT:.0f} s") from None
    except (OSError, ProtocolError) as error:
        raise BrokerUnavailableError(_describe_error(error)) from None
    tasks = [asyncio.create_task(connection.read_packets()), asyncio.create_task(connection.keep_alive())]
    try:
        yield connection
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await connection.disconnect()


async def _connect(settings: BrokerSettings, client_id: str, *, max_waiting: int) -> "MqttConnection":
    tls = settings.tls.create_context() if settings.tls else None
    streams = await asyncio.open_connection(settings.host, settings.port, limit=_READ_BYTES, ssl=tls)
    connection = MqttConnection(*streams, max_waiting=max_waiting)
    try:
        await connection.handshake(settings, client_id)
    except BaseException:
        streams[1].close()
        raise
    return connection


def _describe_error(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


class MqttConnection:
    """One connection; `open_connection` makes it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, max_waiting: int) -> None:
        self._reader, self._writer, self._max_waiting = reader, writer, max_waiting
        self._packet_parser = packets.PacketParser()
        self._messages: deque[Message] = deque()
        self._waiting_bytes = 0
        self._state_changed = asyncio.Condition()
        self._replies: deque[Packet] = deque()
        self._is_awaiting_reply = False  # the reply may follow any number of messages
        self._close_reason: str | None = None
        self._last_received_at = time.monotonic()
        self._last_packet_id = 0

    def __len__(self) -> int:
        """Return the number of messages that wait here."""
        return len(self._messages)

    async def handshake(self, settings: BrokerSettings, client_id: str) -> None:
        """Send CONNECT and wait for the reply; before anything else."""
        password = settings.password_file.read_text().strip() if settings.password_file else None
        self._writer.write(
            packets.encode_connect(client_id, username=settings.username, password=password, keepalive=_KEEPALIVE)
        )
        while not self._replies:
            await self._handle_data(await self._reader.read(_READ_BYTES))
        reply = self._replies.popleft()
        if reply.packet_type != PacketType.CONNACK or len(reply.body) != 2:
            raise BrokerUnavailableError("the server there is no MQTT broker")
        if return_code := reply.body[1]:
            raise BrokerUnavailableError(
                f"the broker refuses us: {_CONNACK_REFUSALS.get(return_code, f'code {return_code}')}"
            )

    async def subscribe(self, filters: Sequence[str]) -> None:
        """Subscribe at QoS 1."""
        self._is_awaiting_reply = True
        await self._write(packets.encode_subscribe(self._next_packet_id(), filters))
        try:
            async with asyncio.timeout(_REPLY_TIMEOUT), self._state_changed:
                self._state_changed.notify_all()
                await self._state_changed.wait_for(lambda: self._replies or self._close_reason)
        except TimeoutError:
            raise BrokerUnavailableError("the broker does not answer a subscription") from None
        finally:
            self._is_awaiting_reply = False
        self._raise_if_closed()
        return_codes = self._replies.popleft().body[2:]
        refused_filters = [
            topic_filter
            for topic_filter, return_code in zip(filters, return_codes, strict=False)
            if return_code == _SUBACK_FAILURE
        ]
        if refused_filters:
            raise BrokerUnavailableError(
                f"the broker does not let us read {', '.join(refused_filters)}; check its access list"
            )

    async def receive(self, limit: int, window_seconds: float) -> list[Message]:
        """Wait for a message, then `window_seconds` for more; return `limit` at most, and 8 MiB unless one is longer.

        If cancelled it takes none: they stay for the next call.
        """
        async with self._state_changed:
            await self._state_changed.wait_for(lambda: self._messages or self._close_reason)
        self._raise_if_closed()
        if len(self._messages) < limit:
            await asyncio.sleep(window_seconds)
        messages = self._take_messages(limit)
        async with self._state_changed:
            self._state_changed.notify_all()  # for `read_packets`: there is room again
        return messages

    def _take_messages(self, limit: int) -> list[Message]:
        messages: list[Message] = []
        total = 0
        while self._messages and len(messages) < limit:
            total += len(self._messages[0].payload)
            if messages and total > _MAX_RECEIVED_BYTES:
                break
            messages.append(self._messages.popleft())
            self._waiting_bytes -= len(messages[-1].payload)
        return messages

    @property
    def _has_room(self) -> bool:
        return len(self._messages) < self._max_waiting and self._waiting_bytes < _MAX_WAITING_BYTES

    async def acknowledge(self, messages: Sequence[Message]) -> None:
        """Acknowledge messages, so that the broker does not deliver them again."""
        await self._write(packets.encode_puback(messages))

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False, at_least_once: bool = False) -> None:
        """Publish; `at_least_once`: at QoS 1, without waiting for the broker's acknowledgement."""
        await self._write(
            packets.encode_publish(
                topic, payload, packet_id=self._next_packet_id() if at_least_once else 0, retain=retain
            )
        )

    async def read_packets(self) -> None:
        """Receive packets until the connection ends; pause while as many messages wait as may."""
        reason = "the broker closed the connection"
        try:
            while data := await self._reader.read(_READ_BYTES):
                await self._handle_data(data)
                async with self._state_changed:
                    await self._state_changed.wait_for(lambda: self._is_awaiting_reply or self._has_room)
                self._last_received_at = time.monotonic()
        except (OSError, ProtocolError) as error:
            reason = _describe_error(error)
        await self._mark_closed(reason)

    async def keep_alive(self) -> None:
        """Ping the broker, and close the connection if it does not answer."""
        while True:
            await asyncio.sleep(_KEEPALIVE / 2)
            if self._has_room and time.monotonic() > self._last_received_at + 1.5 * _KEEPALIVE:
                return await self._mark_closed("the broker does not answer")
            with suppress(BrokerUnavailableError):
                await self._write(packets.PINGREQ)

    async def disconnect(self) -> None:
        """Send DISCONNECT, if the connection still works, and close it."""
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                if self._close_reason is None:
                    self._writer.write(packets.DISCONNECT)
                    await self._writer.drain()
                self._writer.close()
                await self._writer.wait_closed()

    async def _handle_data(self, data: bytes) -> None:
        if not data:
            raise BrokerUnavailableError("the broker closed the connection")
        async with self._state_changed:
            for packet in self._packet_parser.feed(data):
                if isinstance(packet, Message):
                    self._messages.append(packet)
                    self._waiting_bytes += len(packet.payload)
                elif packet.packet_type in {PacketType.CONNACK, PacketType.SUBACK}:
                    self._replies.append(packet)
            self._state_changed.notify_all()

    async def _write(self, data: bytes) -> None:
        self._raise_if_closed()
        self._writer.write(data)
        try:
            await self._writer.drain()
        except OSError as error:
            raise BrokerUnavailableError(_describe_error(error)) from None

    async def _mark_closed(self, reason: str) -> None:
        self._close_reason = self._close_reason or reason
        async with self._state_changed:
            self._state_changed.notify_all()

    def _raise_if_closed(self) -> None:
        if self._close_reason is not None:
            raise BrokerUnavailableError(self._close_reason)

    def _next_packet_id(self) -> int:
        self._last_packet_id = self._last_packet_id % 0xFFFF + 1
        return self._last_packet_id
