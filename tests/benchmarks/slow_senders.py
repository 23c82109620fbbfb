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
from gateway.system.child_process import Child, find_free_port, is_port_open
from gateway.system.embedded_servers import Broker, Postgres
from tests.benchmarks.api_read import insert_stations, serve_api

ROOT = Path(__file__).parents[2]
STATIONS = 1000
PATH = "/api/v1/stations"
FORM_HEADERS = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 4096"
REQUEST_HEADS = {
    "head": "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
    "body": f"POST /acknowledge/nothing HTTP/1.1\r\nHost: localhost\r\n{FORM_HEADERS}\r\n\r\n",
    "read": f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--manner", nargs="+", choices=list(REQUEST_HEADS), default=list(REQUEST_HEADS))
    parser.add_argument("--again", action="store_true", help="who is cut comes back at once")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="piekwacht-slow-")))
        folder.chmod(0o755)
        dsn = stack.enter_context(Postgres(folder)).create_database("bench")
        migrate(dsn)
        insert_stations(dsn, STATIONS)
        broker = stack.enter_context(Broker(folder / "broker"))
        port = stack.enter_context(running_api(dsn, broker))
        servers = {"API": (port, False)}
        caddy = shutil.which("caddy", path=f"{os.environ['PATH']}:{ROOT}/.venv/programs/usr/bin")
        if caddy:
            servers["Caddy"] = (stack.enter_context(running_caddy(caddy, folder, port)), True)
        rows = [
            row
            for name, (server_port, tls) in servers.items()
            for row in measure_server(name, server_port, options, tls=tls)
        ]
    print("", TABLE_HEADER, *rows, *([] if caddy else ["Caddy: not on this machine"]), sep="\n")


def measure_server(name: str, server_port: int, options: argparse.Namespace, *, tls: bool) -> Iterator[str]:
    """A row for nobody and for each manner."""
    asyncio.run(measure_visits(server_port, tls=tls, duration=2))  # what is slow once is not what dawdlers cost
    yield format_row(name, "nobody", asyncio.run(measure_visits(server_port, tls=tls, duration=10)), "")
    for manner in options.manner:
        yield format_row(name, manner, *measure_under_load(server_port, manner, options, tls=tls))


@contextmanager
def running_api(dsn: str, broker: Broker) -> Iterator[int]:
    port = find_free_port()
    process = multiprocessing.get_context("spawn").Process(target=serve_api, args=(dsn, broker.settings, port))
    process.start()
    while not is_port_open("127.0.0.1", port):
        time.sleep(0.05)
    yield port
    process.kill()
    process.join()


@contextmanager
def running_caddy(program: str, folder: Path, api_port: int) -> Iterator[int]:
    """Caddy with our file, on ports that are free."""
    ports = {name: find_free_port() for name in ("http", "https", "check")}
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
        child.wait_until(lambda: asyncio.run(is_answering(ports["https"])))
        yield ports["https"]


async def is_answering(port: int) -> bool:
    with suppress(OSError, IndexError):
        await time_request(port, tls=True)
        return True
    return False


def measure_under_load(
    server_port: int, manner: str, options: argparse.Namespace, *, tls: bool
) -> tuple[list[float], str]:
    """What a good visitor measures meanwhile, and how long the others were borne."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=run_slow_clients, args=(server_port, manner, options, tls, results))
    process.start()
    time.sleep(6)  # until they are all there
    seconds = asyncio.run(measure_visits(server_port, tls=tls, duration=options.seconds))
    summary = results.get(timeout=60)
    process.join()
    return seconds, summary


@cache
def create_context(tls: bool) -> ssl.SSLContext | None:
    if not tls:
        return None
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # Caddy's own authority, on loopback
    return context


async def time_request(port: int, *, tls: bool) -> float:
    """Seconds from before the connection until the answer is there."""
    started = time.perf_counter()
    reader, writer = await asyncio.open_connection(
        "127.0.0.1",
        port,
        ssl=create_context(tls),
        server_hostname="localhost" if tls else None,
        local_addr=("127.0.0.2", 0),  # a visitor from elsewhere: limits are for each address
    )
    writer.write(f"GET {PATH}/s1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    status = await reader.readline()
    await reader.read()
    seconds = time.perf_counter() - started
    writer.close()
    if status.split()[1] != b"200":
        raise OSError(status)
    return seconds


async def measure_visits(port: int, *, tls: bool, duration: float) -> list[float]:
    """Five good requests a second; one that fails counts as infinite."""
    durations: list[float] = []

    async def send_request() -> None:
        try:
            durations.append(await asyncio.wait_for(time_request(port, tls=tls), 10))
        except (OSError, TimeoutError, IndexError) as error:
            print(f"failed: {error!r}", file=sys.stderr, flush=True)
            durations.append(float("inf"))

    async with asyncio.TaskGroup() as group:
        for _ in range(int(duration * 5)):
            group.create_task(send_request())
            await asyncio.sleep(0.2)
    return durations


def run_slow_clients(
    port: int, manner: str, options: argparse.Namespace, tls: bool, results: multiprocessing.Queue
) -> None:
    results.put(asyncio.run(_run_slow_clients_async(port, manner, options, create_context(tls))))


async def _run_slow_clients_async(
    port: int, manner: str, options: argparse.Namespace, context: ssl.SSLContext | None
) -> str:
    lifetimes: list[float] = []

    async def run_client(number: int) -> None:
        await asyncio.sleep(number / 200)
        while True:
            started = time.monotonic()
            with suppress(OSError):
                await _send_slowly(*await _open_slow_connection(port, context), manner)
            lifetimes.append(time.monotonic() - started)
            if not options.again:
                return

    tasks = [asyncio.create_task(run_client(number)) for number in range(options.connections)]
    await asyncio.sleep(options.seconds + 6)
    open_count = sum(not task.done() for task in tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    cut_text = f"{len(lifetimes)} cut after {statistics.median(lifetimes):.0f} s" if lifetimes else "nobody cut"
    return f"{cut_text}, {open_count} left"


async def _open_slow_connection(
    port: int, context: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    sock = socket.socket()
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    return await asyncio.open_connection(
        sock=sock, ssl=context, server_hostname="localhost" if context else None, limit=1024
    )


async def _send_slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, manner: str) -> None:
    """Until the other side has enough."""
    writer.write(REQUEST_HEADS[manner].encode())
    end_task = asyncio.create_task(_read_until_end(reader, 1 if manner == "read" else 65_536))
    try:
        while not end_task.done():
            await asyncio.wait({end_task}, timeout=1)
            if manner != "read":
                writer.write(b"x")
                await writer.drain()
    finally:
        end_task.cancel()
        writer.transport.abort()


async def _read_until_end(reader: asyncio.StreamReader, at_once: int) -> None:
    with suppress(OSError):
        while await reader.read(at_once):
            await asyncio.sleep(1)


TABLE_HEADER = "door    slow    requests  failed  p50 ms  p99 ms  max ms  the slow ones"


def format_row(server: str, manner: str, seconds: list[float], slow_summary: str) -> str:
    seconds.sort()
    p50, p99, longest = (seconds[int((len(seconds) - 1) * share)] * 1e3 for share in (0.5, 0.99, 1))
    failed = seconds.count(float("inf"))
    text = f"{server:7} {manner:7} {len(seconds):8}  {failed:6}  {p50:6.0f}  {p99:6.0f}  {longest:6.0f}  {slow_summary}"
    print(text, file=sys.stderr, flush=True)  # as it goes; all together at the end
    return text


if __name__ == "__main__":
    main()
