"""A thousand connections that dawdle, and what a good visitor notices of them. Run as a module.

python -m tests.benchmarks.slow_senders [--connections 1000] [--seconds 40]

Against the API alone, and against Caddy with deploy/caddy/Caddyfile (on other ports) before it, over TLS. Three
manners: the request's head a byte a second; its body so; and the answer read so. They live in a process of their own; a
good visitor opens a connection five times a second.
"""

import argparse
import asyncio
import multiprocessing
import os
import shutil
import socket
import ssl
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path

from gateway.store.migrate import migrate
from gateway.system.child_process import Child, answers, free_port
from gateway.system.embedded_servers import Broker, Postgres
from tests.benchmarks.api_read import api, fill

ROOT = Path(__file__).parents[2]
STATIONS = 1000
PATH = "/api/v1/stations"
FORM = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 4096"
HEADS = {
    "head": "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
    "body": f"POST /acknowledge/nothing HTTP/1.1\r\nHost: localhost\r\n{FORM}\r\n\r\n",
    "read": f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--manner", nargs="+", choices=list(HEADS), default=list(HEADS))
    parser.add_argument("--again", action="store_true", help="who is cut comes back at once")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="piekwacht-slow-")))
        folder.chmod(0o755)
        dsn = stack.enter_context(Postgres(folder)).create_database("bench")
        migrate(dsn)
        fill(dsn, STATIONS)
        broker = stack.enter_context(Broker(folder / "broker"))
        port = stack.enter_context(serving(dsn, broker))
        doors = {"API": (port, False)}
        caddy = shutil.which("caddy", path=f"{os.environ['PATH']}:{ROOT}/.venv/programs/usr/bin")
        if caddy:
            doors["Caddy"] = (stack.enter_context(proxy(caddy, folder, port)), True)
        rows = [row for name, (door, tls) in doors.items() for row in faced(name, door, given, tls=tls)]
    print("", HEADING, *rows, *([] if caddy else ["Caddy: not on this machine"]), sep="\n")


def faced(name: str, door: int, given: argparse.Namespace, *, tls: bool) -> Iterator[str]:
    """A row for nobody and for each manner."""
    asyncio.run(visit(door, tls=tls, seconds=2))  # what is slow once is not what dawdlers cost
    yield row(name, "nobody", asyncio.run(visit(door, tls=tls, seconds=10)), "")
    for manner in given.manner:
        yield row(name, manner, *beset(door, manner, given, tls=tls))


@contextmanager
def serving(dsn: str, broker: Broker) -> Iterator[int]:
    port = free_port()
    process = multiprocessing.get_context("spawn").Process(target=api, args=(dsn, broker.settings, port))
    process.start()
    while not answers("127.0.0.1", port):
        time.sleep(0.05)
    yield port
    process.kill()
    process.join()


@contextmanager
def proxy(program: str, folder: Path, api_port: int) -> Iterator[int]:
    """Caddy with our file, on ports that are free."""
    ports = {name: free_port() for name in ("http", "https", "check")}
    text = (ROOT / "deploy/caddy/Caddyfile").read_text().replace("127.0.0.1:8081", f"127.0.0.1:{ports['check']}")
    own = f"admin off\n\thttp_port {ports['http']}\n\thttps_port {ports['https']}\n\tskip_install_trust\n"
    (folder / "Caddyfile").write_text(text.replace("admin off\n", own))
    home = folder / "caddy"
    home.mkdir()
    environment = {
        "PIEKWACHT_DOMAIN": "localhost",
        "PIEKWACHT_EMAIL": "beheer@example.org",
        "PIEKWACHT_API": f"127.0.0.1:{api_port}",
        "HOME": str(home),
        "XDG_DATA_HOME": str(home),
        "XDG_CONFIG_HOME": str(home),
    }
    command = [program, "run", "--config", folder / "Caddyfile", "--adapter", "caddyfile"]
    with Child("caddy", command, log=folder / "caddy.log", environment=environment) as child:
        child.wait_until(lambda: asyncio.run(well(ports["https"])))
        yield ports["https"]


async def well(port: int) -> bool:
    with suppress(OSError, IndexError):
        await request(port, tls=True)
        return True
    return False


def beset(door: int, manner: str, given: argparse.Namespace, *, tls: bool) -> tuple[list[float], str]:
    """What a good visitor measures meanwhile, and how long the others were borne."""
    context = multiprocessing.get_context("spawn")
    lives = context.Queue()
    process = context.Process(target=dawdle, args=(door, manner, given, tls, lives))
    process.start()
    time.sleep(6)  # until they are all there
    measured = asyncio.run(visit(door, tls=tls, seconds=given.seconds))
    said = lives.get(timeout=60)
    process.join()
    return measured, said


@cache
def context_of(tls: bool) -> ssl.SSLContext | None:
    if not tls:
        return None
    made = ssl.create_default_context()
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE  # Caddy's own authority, on loopback
    return made


async def request(port: int, *, tls: bool) -> float:
    """Seconds from before the connection until the answer is there."""
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection(
        "127.0.0.1",
        port,
        ssl=context_of(tls),
        server_hostname="localhost" if tls else None,
        local_addr=("127.0.0.2", 0),  # a visitor from elsewhere: limits are for each address
    )
    writer.write(f"GET {PATH}/s1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    status = await reader.readline()
    await reader.read()
    took = time.perf_counter() - began
    writer.close()
    if status.split()[1] != b"200":
        raise OSError(status)
    return took


async def visit(port: int, *, tls: bool, seconds: float) -> list[float]:
    """Five good requests a second; one that fails counts as infinite."""
    took: list[float] = []

    async def one() -> None:
        try:
            took.append(await asyncio.wait_for(request(port, tls=tls), 10))
        except (OSError, TimeoutError, IndexError) as error:
            print(f"failed: {error!r}", file=sys.stderr, flush=True)
            took.append(float("inf"))

    async with asyncio.TaskGroup() as group:
        for _ in range(int(seconds * 5)):
            group.create_task(one())
            await asyncio.sleep(0.2)
    return took


def dawdle(port: int, manner: str, given: argparse.Namespace, tls: bool, lives: multiprocessing.Queue) -> None:
    lives.put(asyncio.run(_crowd(port, manner, given, context_of(tls))))


async def _crowd(port: int, manner: str, given: argparse.Namespace, context: ssl.SSLContext | None) -> str:
    ended: list[float] = []

    async def one(number: int) -> None:
        await asyncio.sleep(number / 200)
        while True:
            began = time.monotonic()
            with suppress(OSError):
                await _slowly(*await _connected(port, context), manner)
            ended.append(time.monotonic() - began)
            if not given.again:
                return

    tasks = [asyncio.create_task(one(number)) for number in range(given.connections)]
    await asyncio.sleep(given.seconds + 6)
    there = sum(not task.done() for task in tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    borne = f"{len(ended)} cut after {statistics.median(ended):.0f} s" if ended else "nobody cut"
    return f"{borne}, {there} left"


async def _connected(port: int, context: ssl.SSLContext | None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    plain = socket.socket()
    plain.setblocking(False)
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", port))
    return await asyncio.open_connection(
        sock=plain, ssl=context, server_hostname="localhost" if context else None, limit=1024
    )


async def _slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, manner: str) -> None:
    """Until the other side has enough."""
    writer.write(HEADS[manner].encode())
    cut = asyncio.create_task(_ended(reader, 1 if manner == "read" else 65_536))
    try:
        while not cut.done():
            await asyncio.wait({cut}, timeout=1)
            if manner != "read":
                writer.write(b"x")
                await writer.drain()
    finally:
        cut.cancel()
        writer.transport.abort()


async def _ended(reader: asyncio.StreamReader, at_once: int) -> None:
    with suppress(OSError):
        while await reader.read(at_once):
            await asyncio.sleep(1)


HEADING = "door    slow    requests  failed  p50 ms  p99 ms  max ms  the slow ones"


def row(door: str, manner: str, took: list[float], lives: str) -> str:
    took.sort()
    p50, p99, worst = (took[int((len(took) - 1) * share)] * 1e3 for share in (0.5, 0.99, 1))
    failed = took.count(float("inf"))
    text = f"{door:7} {manner:7} {len(took):8}  {failed:6}  {p50:6.0f}  {p99:6.0f}  {worst:6.0f}  {lives}"
    print(text, file=sys.stderr, flush=True)  # as it goes; all together at the end
    return text


if __name__ == "__main__":
    main()
