"""`piekwacht witness run` as a process: limits of its server, kill -9, and the packages that it needs."""

import asyncio
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http import HTTPStatus

import httpx
import pytest

from gateway.transparency.checkpoint import open_checkpoint
from gateway.witness.http_message import respond_sentence
from gateway.witness.http_server import HttpLimits, HttpServer
from tests.gateway.witness.witness_world import MemoryLog, WitnessProcess, run_command
from tests.waiting import wait_until

HEAVY = (
    "aiomqtt", "alerting.catalogue", "authlib", "fastapi", "httpx", "jinja2", "numba", "numpy", "prometheus_client",
    "psycopg", "psycopg_pool", "pyarrow", "pydantic", "rfc3161_client", "rich", "starlette", "structlog", "uvicorn",
    "uvloop", "re2",
)  # fmt: skip


@pytest.fixture
def log():
    return MemoryLog().grow(5)


@pytest.fixture
def witness(log, tmp_path):
    with WitnessProcess(tmp_path / "witness", log).run() as running:
        yield running


@contextmanager
def serve(limits, respond=lambda _: respond_sentence(HTTPStatus.OK, "fine")):
    """The HTTP server alone, in a thread; its address."""
    started, port, stop = threading.Event(), [], asyncio.Event()

    def on_start(_, number):
        port.append((number, asyncio.get_running_loop()))
        started.set()

    async def run():
        task = asyncio.create_task(HttpServer(respond, limits).run("127.0.0.1", 0, on_start))
        await stop.wait()
        task.cancel()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert started.wait(20)
    ((number, loop),) = port
    try:
        yield f"http://127.0.0.1:{number}"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


def exchange(url, raw, timeout=20.0):
    """Send bytes, and read until the server closes."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=timeout) as connection:
        connection.sendall(raw)
        answer = b""
        while part := connection.recv(65_536):
            answer += part
    return answer


def test_a_witness_signs_over_http_and_shows_its_page(witness, log):
    with httpx.Client(verify=False) as client:
        for old_size in (0, 5, 5):
            response = client.post(f"{witness.url}/add-checkpoint", content=log.request(old_size).encode())
            assert response.status_code == 200, response.text
        assert witness.key.check(log.note() + response.content).witness == witness.key.name
        conflict = client.post(f"{witness.url}/add-checkpoint", content=log.request(3).encode())
        assert (conflict.status_code, conflict.text) == (409, "5\n")
        assert conflict.headers["Content-Type"] == "text/x.tlog.size"
        page = client.get(f"{witness.url}/", headers={"Accept-Language": "en"})
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "<td>5</td>" in page.text
        assert client.head(f"{witness.url}/").text == ""


def test_a_witness_that_was_killed_never_signs_an_older_head(log, tmp_path):
    """kill -9 while heads are sent as fast as they can be; every signature that left the process is remembered."""
    process, generator = WitnessProcess(tmp_path / "witness", log.grow(3000)), random.Random(11)
    signed = [0]
    for _ in range(3):
        with process.run() as witness:
            newest = int(witness.post(log.request(0).encode()).text or 0) if signed[-1] else 0
            assert newest >= signed[-1], "the witness forgot a head that it signed"
            killer = threading.Timer(generator.uniform(0, 0.05), witness.process.kill)
            kill_after = len(signed) + generator.randint(2, 5)
            with suppress(httpx.TransportError):
                while witness.post(log.request(newest, newest + 1).encode()).status_code == 200:
                    newest += 1
                    signed.append(newest)
                    if len(signed) == kill_after:
                        killer.start()
            killer.join()
    with process.run() as witness:
        fork = log.fork(signed[-1] - 1, 10)
        assert witness.post(fork.request(signed[-1] - 1).encode()).status_code == 409
        assert witness.post(fork.request(signed[-1]).encode()).status_code in {409, 422}


def test_a_slow_client_is_ended_and_others_are_served_meanwhile(log, tmp_path):
    """One byte now and then keeps no connection open beyond the time of a whole request."""
    limits = HttpLimits(body_bytes=1000, request_seconds=1.0, idle_seconds=1.0, connections_per_address=4)
    with serve(limits) as url:
        host, port = url.removeprefix("http://").split(":")
        slow = [socket.create_connection((host, int(port)), timeout=10) for _ in range(3)]
        started_at = time.monotonic()
        slow[0].sendall(b"POST /")
        slow[1].sendall(b"POST / HTTP/1.1\r\nContent-Length: 900\r\n\r\n")
        for _ in range(3):
            time.sleep(0.3)
            for connection in slow[:2]:
                connection.sendall(b"x")
        assert httpx.get(url, verify=False).status_code == 200
        for connection in slow:
            assert connection.recv(1000) == b""
            connection.close()
        assert time.monotonic() - started_at < 5


def test_one_address_cannot_take_all_connections_and_idle_ones_make_room():
    with serve(HttpLimits(body_bytes=10, connections=4, connections_per_address=3)) as url:
        host, port = url.removeprefix("http://").split(":")
        connections = [socket.create_connection((host, int(port)), timeout=10) for _ in range(3)]
        time.sleep(0.2)
        assert exchange(url, b"").startswith(b"HTTP/1.1 503 ")
        from_other_addresses = [
            socket.create_connection((host, int(port)), source_address=(f"127.0.0.{n}", 0)) for n in (2, 3, 4)
        ]
        from_other_addresses[-1].settimeout(10)
        from_other_addresses[-1].sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert from_other_addresses[-1].recv(1000).startswith(b"HTTP/1.1 200 ")
        for connection in (*connections, *from_other_addresses):
            connection.close()


def test_more_requests_than_allowed_are_answered_with_429():
    with serve(HttpLimits(body_bytes=10, requests_per_minute=3)) as url, httpx.Client(verify=False) as client:
        answers = [client.get(url) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"x\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET http://x/ HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 65 + b"\r\n", 400),
        (b"GET / HTTP/1.1\r\nA: " + b"b" * 9000 + b"\r\n\r\n", 431),
        (b"POST / HTTP/1.1\r\nContent-Length: 11\r\n\r\n12345678901", 413),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n1", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"GET / HTTP/1.0\r\n\r\n", 200),
        (b"POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab", 200),
    ],
)
def test_requests_beyond_the_limits_have_a_status_and_end_the_connection(raw, status):
    with serve(HttpLimits(body_bytes=10)) as url:
        assert exchange(url, raw).startswith(f"HTTP/1.1 {status} ".encode())


def test_a_fault_of_one_request_is_500_and_the_connection_goes_on():
    def respond(request):
        if request.path == "/fault":
            raise RuntimeError("a fault")
        return respond_sentence(HTTPStatus.OK, "fine")

    with serve(HttpLimits(body_bytes=10), respond) as url, httpx.Client(verify=False) as client:
        assert client.get(f"{url}/fault").status_code == 500
        assert client.get(url).status_code == 200


_FUZZ_SEEDS = (
    b"GET / HTTP/1.1\r\n\r\n",
    b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 5\r\n\r\nold 0",
    b"\xff" * 50,
)


def test_random_bytes_never_stop_the_server(witness):
    generator = random.Random(7)
    for _ in range(150):
        raw = bytearray(generator.choice(_FUZZ_SEEDS))
        for _ in range(generator.randint(0, 6)):
            raw[generator.randrange(len(raw))] = generator.randrange(256)
        host, port = witness.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(bytes(raw[: generator.randint(0, len(raw))]))
    # connections that have just ended may count still
    wait_until(lambda: httpx.get(f"{witness.url}/", timeout=20, verify=False).status_code == 200, 20)


_RUN_BLOCKED = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED or name in BLOCKED:
            raise ModuleNotFoundError(name)
BLOCKED = set(sys.argv[1].split())
sys.meta_path.insert(0, Blocker())
from gateway.__main__ import main
code = main(sys.argv[2:])
assert not BLOCKED & set(sys.modules)
sys.exit(code)
"""


def block(*arguments):
    """A command line where the packages in HEAVY cannot be imported."""
    return [sys.executable, "-c", _RUN_BLOCKED, " ".join(HEAVY), *map(str, arguments)]


def test_the_edge_packages_alone_are_enough(tmp_path, log):
    """Key, run and show, where every package of the gateway is missing; SIGTERM ends it with exit code 0."""
    key = subprocess.run(block("witness", "key", "pi.example/w", tmp_path / "witness.key"), timeout=60)
    assert key.returncode == 0
    config = tmp_path / "witness.toml"
    config.write_text(f'key_file = "witness.key"\nlogs = ["{log.signer.verifier}"]\nport = 0\n')
    with subprocess.Popen(block("witness", "run", "--config", config), stderr=subprocess.PIPE, text=True) as process:
        line = process.stderr.readline()
        url = "http://127.0.0.1:" + re.search(r"port=(\d+)", line)[1]
        assert httpx.post(f"{url}/add-checkpoint", content=log.request(0).encode(), verify=False).status_code == 200
        assert httpx.get(f"{url}/", verify=False).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0, process.stderr.read()
    show = subprocess.run(block("witness", "show", "--config", config), capture_output=True, text=True, timeout=60)
    assert (show.returncode, show.stderr) == (0, "")
    assert f"log {log.origin}: 5 leaves, signed 20" in show.stdout


def test_show_prints_the_two_notes_of_a_fork_and_fails(tmp_path, log):
    process = WitnessProcess(tmp_path / "witness", log)
    with process.run() as witness:
        witness.post(log.request(0).encode())
        assert witness.post(log.fork(4, 1).request(5).encode()).status_code == 422
    result = run_command("witness", "show", "--config", process.config)
    assert result.returncode == 1
    lines = result.stdout[result.stdout.index("fork:") :].split("\n", 1)[1]
    notes = re.findall(rf"^{log.origin}\n.*\n.*\n\n(?:— .*\n)+", lines, re.MULTILINE)
    checkpoints = [open_checkpoint(note.encode(), log.signer.verifier) for note in notes]
    assert checkpoints == [log.checkpoint(), log.fork(4, 1).checkpoint()]


@pytest.mark.parametrize(
    ("settings", "code", "text"),
    [
        ('key_file = "witness.key"\n', 2, "at least one log"),
        ('key_file = "none.key"\nlogs = ["x"]\n', 2, "none.key"),
        ('key_file = "witness.key"\nlogs = ["x"]\n', 2, "logs: a verifier key reads"),
        ('key_file = "witness.key"\npolicy = "none"\n', 2, "policy:"),
        ('key_file = "witness.key"\nlogs = ["LOG"]\nstate_file = "other.sqlite"\n', 1, "other.sqlite is missing"),
        ('key_file = "witness.key"\nlogs = ["LOG"]\nhost = "192.0.2.1"\n', 1, "cannot listen on 192.0.2.1:8087"),
        ('key_file = "witness.key"\nlogs = ["LOG"]\nprot = 1\n', 2, "`port`"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path, log, settings, code, text):
    assert run_command("witness", "key", "pi.example/w", tmp_path / "witness.key").returncode == 0
    config = tmp_path / "witness.toml"
    config.write_text(settings.replace("LOG", str(log.signer.verifier)))
    result = run_command("witness", "run", "--config", config)
    assert result.returncode == code, result.stderr
    assert text in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_log_with_the_key_of_the_witness_is_refused(tmp_path, log):
    (tmp_path / "witness.key").write_text(log.signer.export())
    config = tmp_path / "witness.toml"
    config.write_text(f'key_file = "witness.key"\nlogs = ["{log.signer.verifier}"]\n')
    result = run_command("witness", "show", "--config", config)
    assert (result.returncode, "a witness cannot watch itself" in result.stderr) == (2, True)


def test_a_key_file_is_never_overwritten(tmp_path):
    first = run_command("witness", "key", "pi.example/w", tmp_path / "witness.key")
    assert first.stdout.startswith("pi.example/w+")
    assert (tmp_path / "witness.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "witness.sqlite").stat().st_mode & 0o777 == 0o600
    assert run_command("witness", "key", "pi.example/w", tmp_path / "witness.key").returncode == 1


def test_a_policy_gives_the_logs(tmp_path, log):
    assert run_command("witness", "key", "pi.example/w", tmp_path / "witness.key").returncode == 0
    (tmp_path / "policy").write_text(f"log {log.signer.verifier}\nquorum none\n")
    (tmp_path / "witness.toml").write_text('key_file = "witness.key"\npolicy = "policy"\n')
    result = run_command("witness", "show", "--config", tmp_path / "witness.toml")
    assert f"log {log.origin}: no head signed yet" in result.stdout, result.stderr


def test_heads_of_many_clients_at_once_are_signed_in_one_order(witness, log):
    def send(size):
        for _ in range(200):
            response = witness.post(log.request(0, size).encode())
            if response.status_code == 409:
                response = witness.post(log.request(min(int(response.text), size), size).encode())
            if response.status_code == 200 or int(response.text) >= size:
                return
        raise AssertionError("never accepted")

    log.grow(16)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, range(1, 16)))
    assert witness.post(log.request(0).encode()).text == "15\n"
