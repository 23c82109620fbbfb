"""Time from kill -9 of a gateway to the first COMMIT of a batch that was sent later. Run as a module.

python -m tests.benchmarks.restart [--runs 20] [--cold-runs 5] [--takeover-runs 5]

One node sends a signed batch every 100 ms through a real broker; the database is a real one with fsync. `warm`: the
program is started again at once, as by a service manager. `cold`: before the start, the kernel forgets the contents of
every file of the program that no other process has mapped. `standby` and `shared`: a second gateway takes the area
over from the killed one, by the area's lock or by its lease. Seconds; a commit is seen within 5 ms.
"""

import argparse
import asyncio
import os
import statistics
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import psycopg

from edge_agent.wire import Signer
from gateway.mqtt.client import create_client
from gateway.mqtt.settings import BrokerSettings
from gateway.store.migrate import migrate
from gateway.system.child_process import Child
from gateway.system.embedded_servers import Broker, Postgres
from tests.gateway.enrolled_node import EnrolledNode, enrol_node

_ROOT = Path(__file__).parents[2]
_INTERVAL = 0.1  # s between two batches
_STEADY = 2.0  # s that a gateway ingests before it is killed
_TIMEOUT = 120.0  # s for a commit: the first start of all compiles kernels


class Sender:
    """Sends batches of one node from a thread; `seq` is the last one sent."""

    def __init__(self, node: EnrolledNode, broker: BrokerSettings) -> None:
        self.seq = 0
        self._node, self._broker, self._stop = node, broker, threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._send()))

    async def _send(self) -> None:
        async with create_client(self._broker, self._node.id) as client:
            while not self._stop.is_set():
                now = datetime.now(UTC)
                values = {"pm2_5": [8.0 + self.seq % 3]}
                t0 = int(now.timestamp() * 1000)
                payload = self._node.payload(self.seq + 1, t0=t0, dt=[0], values=values, received_at=now)
                await client.publish(payload.topic, payload.body, qos=1)
                self.seq += 1
                await asyncio.sleep(_INTERVAL)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


class Site:
    """Database, broker, and gateways that can be killed."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        postgres = stack.enter_context(Postgres(folder / "db"))
        self.dsn = postgres.create_database("bench")
        migrate(self.dsn)
        self.broker = stack.enter_context(Broker(folder / "broker")).settings
        self.sender = stack.enter_context(Sender(enrol_node(self.dsn), self.broker))
        self._connection = stack.enter_context(psycopg.connect(self.dsn, autocommit=True))
        (folder / "gateway.key").write_text(Signer.generate("gateway.ijmond").export())

    def start(self, *, share_areas: bool = False) -> Child:
        config = self._folder / f"piekwacht-{share_areas}.toml"
        config.write_text(
            f'[database]\ndsn = "{self.dsn}"\n[broker]\nport = {self.broker.port}\n[ingest]\n'
            f'key_file = "gateway.key"\nareas = ["ijmond"]\nshare_areas = {str(share_areas).lower()}\n'
        )
        command = [sys.executable, "-m", "gateway", "gateway", "--config", config]
        return self._stack.enter_context(Child("gateway", command, log=self._folder / "gateway.log"))

    def wait_for_commit(self, seq: int) -> float:
        """Return the moment when a batch after `seq` is seen in the database (monotonic clock)."""
        deadline = time.monotonic() + _TIMEOUT
        while time.monotonic() < deadline:
            row = self._connection.execute("SELECT 1 FROM batch WHERE seq > %s LIMIT 1", [seq]).fetchone()
            if row is not None:
                return time.monotonic()
            time.sleep(0.005)
        raise TimeoutError((self._folder / "gateway.log").read_text()[-2000:])

    def wait_until_steady(self) -> None:
        self.wait_for_commit(self.sender.seq)
        time.sleep(_STEADY)


def kill(gateway: Child) -> float:
    """Kill with SIGKILL; return the moment (monotonic clock)."""
    killed_at = time.monotonic()
    gateway.process.kill()
    gateway.process.wait()
    return killed_at


def measure_restarts(site: Site, runs: int, *, cold: bool) -> Iterator[float]:
    """Yield the seconds from each kill to the commit; for `cold` from the start, as files are dropped before it."""
    gateway = site.start()
    site.wait_until_steady()
    for _ in range(runs):
        began = kill(gateway)
        if cold:
            drop_cached_files()
            began = time.monotonic()
        seq = site.sender.seq
        gateway = site.start()
        yield site.wait_for_commit(seq) - began
        site.wait_until_steady()
    gateway.stop()


def measure_takeovers(site: Site, runs: int, *, share_areas: bool) -> Iterator[float]:
    """Yield the seconds from the kill of the gateway that writes to the first commit of the other one."""
    writer = site.start(share_areas=share_areas)
    site.wait_until_steady()
    for _ in range(runs):
        other = site.start(share_areas=share_areas)
        time.sleep(8)  # it is ready, and waits
        site.wait_until_steady()
        began, seq = kill(writer), site.sender.seq
        yield site.wait_for_commit(seq) - began
        writer = other
    writer.stop()


def drop_cached_files() -> None:
    """Let the kernel forget the program's files, as far as no process has them mapped."""
    os.sync()
    packages = [_ROOT / name for name in ("gateway", "alerting", "edge_agent")]
    for folder in (*map(Path, map(sysconfig.get_path, ("stdlib", "purelib"))), *packages):
        for path in folder.rglob("*"):
            if path.is_file():
                with path.open("rb") as file:
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def format_row(name: str, seconds: Sequence[float]) -> str:
    return (
        f"{name:10} median {statistics.median(seconds):.2f} s, highest {max(seconds):.2f} s, "
        f"lowest {min(seconds):.2f} s ({len(seconds)} runs, load {os.getloadavg()[0]:.1f})"
    )


@contextmanager
def running_site() -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="piekwacht-restart-") as name, ExitStack() as stack:
        Path(name).chmod(0o755)
        yield Site(Path(name), stack)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--cold-runs", type=int, default=5)
    parser.add_argument("--takeover-runs", type=int, default=5)
    options = parser.parse_args()
    with running_site() as site:
        measurements = {
            "warm": measure_restarts(site, options.runs, cold=False),
            "cold": measure_restarts(site, options.cold_runs, cold=True),
            "standby": measure_takeovers(site, options.takeover_runs, share_areas=False),
            "shared": measure_takeovers(site, options.takeover_runs, share_areas=True),
        }
        for name, measurement in measurements.items():
            seconds = list(measurement)
            if seconds:
                print(format_row(name, seconds), flush=True)


if __name__ == "__main__":
    main()
