"""Attacks on the broker by somebody whom it lets publish: raw packets, so that no client library refuses them."""

import asyncio
import random
import struct
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress

from gateway.mqtt import packets
from tests.attack.attacker import Target, run_workers

_RNG = random.Random(2)
_HOSTILE_STATUS = (
    b'{"online":true,"a":"\\\\u0000"}', b'{"a":"\\u0000"}', b'{"sensors":5}', b"[" * 16_000, b"\xff" * 9_000,
)  # fmt: skip


def encode_text(text: bytes) -> bytes:
    return struct.pack(">H", len(text)) + text


def encode_connect(client_id: bytes, *, will: tuple[bytes, bytes] | None = None, keepalive: int = 30) -> bytes:
    """CONNECT with a clean session, and perhaps a retained will (topic, payload)."""
    flags = 0x02 | (0x04 | 0x20 if will else 0)
    parts = [encode_text(b"MQTT"), bytes((4, flags)), struct.pack(">H", keepalive), encode_text(client_id)]
    parts += [encode_text(part) for part in will or ()]
    return packets._encode_packet(0x10, b"".join(parts))


@asynccontextmanager
async def connect(
    target: Target, *, will: tuple[bytes, bytes] | None = None, limit: int = 1 << 16
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection that has sent CONNECT; leaving it resets the connection, so that the broker sends the will."""
    reader, writer = await asyncio.open_connection("127.0.0.1", target.broker_port, limit=limit)
    try:
        writer.write(encode_connect(b"attacker-%d" % _RNG.randrange(10**12), will=will))
        async with asyncio.timeout(10):
            await reader.readexactly(4)
        yield reader, writer
    finally:
        writer.transport.abort()


async def publish(target: Target, messages: list[tuple[bytes, bytes, bool]]) -> str:
    """Publish (topic, payload, retain) at QoS 1 on a new connection, wait for the last acknowledgement."""
    try:
        async with connect(target) as (reader, writer):
            for number, (topic, payload, retain) in enumerate(messages, start=1):
                body = encode_text(topic) + struct.pack(">H", number) + payload
                writer.write(packets._encode_packet(0x32 | retain, body))
                await writer.drain()
            async with asyncio.timeout(10):
                await reader.readexactly(4 * len(messages))
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        return type(error).__name__
    return "published"


def readings_topic(target: Target, *, area: str | None = None, node: str | None = None) -> bytes:
    return f"pw/v1/{area or target.area}/{node or target.node}/readings".encode()


async def attack_payloads(target: Target) -> Counter[str]:
    """Forged, deep and long payloads; topics of 65,535 bytes, of other areas and of unknown nodes."""
    long_topic = b"pw/v1/" + b"x" * (65_535 - 17) + b"/a/readings"
    note = b'{"v":1,"node":"%s","inc":"k3v5x2m2q7ab","seq":1,"t0":1,"dt":[0],"values":{"pm2_5":[1]}}\n\n' % (
        target.node.encode()
    )
    signature = "\u2014 ".encode() + target.node.encode() + b" " + b"A" * 92 + b"\n"

    async def step() -> str:
        messages = [
            (readings_topic(target), note + signature, False),
            (readings_topic(target), b"[" * 300_000, False),
            (readings_topic(target), b"x" * 1_900_000, False),
            (readings_topic(target, area="chemelot"), note + signature, False),
            (readings_topic(target, node=f"nobody-{_RNG.randrange(10**9)}"), note, False),
            (long_topic[: _RNG.randrange(60_000, 65_530)] + b"/a/readings"[:0], b"", False),
            (long_topic, b"", False),
            (f"pw/v1/{target.area}/live".encode(), b"[" * 100_000, False),
        ]
        return await publish(target, [_RNG.choice(messages) for _ in range(5)])

    return await run_workers(target, step, workers=4, pause=0.05)


async def attack_oversized(target: Target) -> Counter[str]:
    """Messages of 20 MB: a broker of ours may accept them, and the memory of no process may grow by them."""

    async def step() -> str:
        return await publish(target, [(readings_topic(target), b"x" * (20 << 20), False)])

    return await run_workers(target, step, workers=1, pause=0.5)


async def attack_sessions(target: Target) -> Counter[str]:
    """Wills, retained messages and sessions by the hundred, and subscribers of everything that never read."""
    status = f"pw/v1/{target.area}/{target.node}/status".encode()
    silent: list[asyncio.Task[None]] = []

    async def read_nothing() -> None:
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            async with connect(target, limit=1_024) as (_, writer):
                writer.write(packets.encode_subscribe(1, ["#"]))
                await writer.drain()
                await asyncio.sleep(target.seconds)

    async def step() -> str:
        if len(silent) < 50:
            silent.append(asyncio.create_task(read_nothing()))
        kind = _RNG.randrange(3)
        if kind == 0:
            topic = f"pw/v1/{target.area}/n{_RNG.randrange(500)}/{_RNG.choice(['status', 'health', 'readings'])}"
            return await publish(target, [(topic.encode(), _RNG.choice(_HOSTILE_STATUS), True)])
        if kind == 1:
            return await publish(target, [(status, _RNG.choice(_HOSTILE_STATUS), False)] * 3)
        try:
            async with connect(target, will=(status, _RNG.choice(_HOSTILE_STATUS))):
                return "will sent"
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            return type(error).__name__

    try:
        return await run_workers(target, step, workers=8, pause=0.01)
    finally:
        for task in silent:
            task.cancel()
        await asyncio.gather(*silent, return_exceptions=True)


MQTT_ATTACKS: Mapping[str, Callable[[Target], Awaitable[Counter[str]]]] = {
    "payloads": attack_payloads,
    "oversized": attack_oversized,
    "sessions": attack_sessions,
}
