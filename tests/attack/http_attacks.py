"""Attacks on the API, from many addresses: each runs until its deadline and returns how often it got which answer."""

import asyncio
import json
import random
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlencode

from tests.alerting.decide.hostile_patterns import EXPONENTIAL, TOO_LARGE, UNSUPPORTED
from tests.attack.attacker import Target, run_workers
from tests.gateway.api.live.test_request_framing import CHUNKED, GET, REFUSED, SMUGGLED

_RNG = random.Random(1)
_JSON = {"Content-Type": "application/json"}
_FORM = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
_DEEP = (b"[" * 60_000, b'{"match":' + b"[" * 30_000 + b"]" * 30_000 + b"}", b'{"reason":' + b"9" * 50_000 + b"}")
_READS = (
    "/", "/events", "/status", "/feeds/events.atom", "/feeds/today.csv", "/api/v1/events?limit=100",
    "/api/v1/events?limit=%00%1b%e2%80%ae", "/nl/stations/ijm-000?period=year",
)  # fmt: skip
_EXPORTS = ("csv", "csv-nl", "parquet")


def pick_address() -> str:
    """One of 100,000 addresses, each in a separate network."""
    return f"2001:db8:{_RNG.randrange(100_000) // 0xFFFF:x}:{_RNG.randrange(0xFFFF):x}::1"


async def request(
    target: Target, method: str, path: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> str:
    """One request on a new connection from a new address; returns the status or the kind of failure."""
    fields = {"Host": "here", "X-Forwarded-For": pick_address(), "Connection": "close", **(headers or {})}
    if body or method != "GET":
        fields["Content-Length"] = str(len(body))
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items()) + "\r\n"
    return await send(target, head.encode() + body)


async def send(target: Target, data: bytes, within: float = 10.0) -> str:
    """Send bytes and read until the end; returns the status of the first answer or the kind of failure."""
    try:
        async with asyncio.timeout(within), connection(target) as (reader, writer):
            writer.write(data)
            answer = await reader.readline()
            while await reader.read(1 << 16):
                pass
            return answer.decode().split(" ")[1] if answer.startswith(b"HTTP/1.1 ") else "no answer"
    except TimeoutError:
        return "timeout"
    except OSError as error:
        return type(error).__name__


@asynccontextmanager
async def connection(target: Target) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to the API."""
    reader, writer = await asyncio.open_connection("127.0.0.1", target.api_port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def attack_patterns(target: Target) -> Counter[str]:
    """Previews of silences with patterns that need endless time in other engines."""
    headers = {**_JSON, "Authorization": f"Bearer {target.key}"}

    async def step() -> str:
        pattern = _RNG.choice([*EXPONENTIAL, *TOO_LARGE, *UNSUPPORTED])
        body = {
            "area": "ijmond", "match": [f'station=~"{pattern}"'] * 20, "reason": "r", "endsAt": "2026-12-30T00:00:00Z",
        }  # fmt: skip
        return await request(
            target, "POST", "/api/v1/silences/preview", body=json.dumps(body).encode(), headers=headers
        )

    return await run_workers(target, step, workers=8)


async def attack_tables(target: Target) -> Counter[str]:
    """The most expensive answers: a year of raw values as a table, whole pages, feeds."""

    async def step() -> str:
        start = f"2026-01-{_RNG.randrange(1, 29):02}T{_RNG.randrange(24):02}:{_RNG.randrange(60):02}:00Z"
        station = f"/api/v1/stations/{target.node}/observations"
        export = f"{station}?averaging=raw&format={_RNG.choice(_EXPORTS)}&start={start}"
        path = _RNG.choice([*_READS, station + f"?averaging=minute&limit={_RNG.randrange(1, 900)}", export])
        return await request(target, "GET", path, headers={"Accept-Language": _RNG.choice(["nl", "en", "x" * 5_000])})

    return await run_workers(target, step, workers=16)


async def attack_sign_ins(target: Target) -> Counter[str]:
    """Sign-ins with wrong passwords and codes, from addresses without number, and forms of other sites."""

    async def step() -> str:
        form = {"name": "anna@od.example", "password": f"{_RNG.random()}", "code": f"{_RNG.randrange(10**6):06}"}
        headers = _RNG.choice(
            [_FORM, _FORM, {**_FORM, "Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.test"}]
        )
        return await request(target, "POST", "/account/sign-in", body=urlencode(form).encode(), headers=headers)

    return await run_workers(target, step, workers=40)


async def attack_streams(target: Target) -> Counter[str]:
    """Live streams that are opened in bursts, never read, or continued from an old commit; odd WebSockets."""
    frozen: list[socket.socket] = []

    async def step() -> str:
        loop = asyncio.get_running_loop()
        stream = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
        stream.setblocking(False)
        head = f"GET /api/v1/live HTTP/1.1\r\nHost: here\r\nX-Forwarded-For: {pick_address()}\r\n"
        upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"
        variant = _RNG.choice(["", f"Last-Event-ID: {_RNG.randrange(5)}\r\n", upgrade + key])
        try:
            await loop.sock_connect(stream, ("127.0.0.1", target.api_port))
            await loop.sock_sendall(stream, (head + variant + "\r\n").encode())
            async with asyncio.timeout(5):
                answer = await loop.sock_recv(stream, 13)
            if variant.startswith("Upgrade"):  # a frame that claims 2^62 bytes, and pings
                await loop.sock_sendall(stream, b"\x89\x80AAAA" * 100 + b"\x81\xff\x40" + bytes(11))
        except (OSError, TimeoutError) as error:
            stream.close()
            return type(error).__name__
        frozen.append(stream)
        if len(frozen) > 600:
            frozen.pop(0).close()
        return answer[9:12].decode("latin-1")

    try:
        return await run_workers(target, step, workers=20, pause=0.02)
    finally:
        for stream in frozen:
            stream.close()


async def attack_framing(target: Target) -> Counter[str]:
    """Requests that a proxy could read otherwise, heads that never end, and bodies of any JSON."""
    slow: list[asyncio.StreamWriter] = []

    async def step() -> str:
        kind = _RNG.randrange(4)
        if kind == 0:
            return await send(target, _RNG.choice(list(REFUSED.values())))
        if kind == 1:
            return await send(target, CHUNKED + b"0\r\n\r\n" + SMUGGLED + GET + b"Connection: close\r\n\r\n")
        if kind == 2:
            headers = {**_JSON, "Authorization": f"Bearer {target.key}"}
            return await request(target, "POST", "/api/v1/silences", body=_RNG.choice(_DEEP), headers=headers)
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", target.api_port)
            writer.write(GET + b"X-A: ")
            slow.append(writer)
            if len(slow) > 500:
                slow.pop(0).close()
        return "left open"

    try:
        return await run_workers(target, step, workers=20)
    finally:
        for writer in slow:
            writer.close()


HTTP_ATTACKS: Mapping[str, Callable[[Target], Awaitable[Counter[str]]]] = {
    "patterns": attack_patterns,
    "tables": attack_tables,
    "sign_ins": attack_sign_ins,
    "streams": attack_streams,
    "framing": attack_framing,
}
