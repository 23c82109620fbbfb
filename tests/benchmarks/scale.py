"""What a further worker adds: areas shared out by leases, one and the same backlog taken in by one worker and by more.

python -m tests.benchmarks.scale --workers 1 2 4 --rounds 3 --cores 0.2

Workers, database and broker share the machine's cores: where these are busy, another worker has nothing to work with,
so how busy they were is printed beside each rate. With `--cores` each worker is held to that much of a core (a cgroup
of its own, as root), as if it were a small machine beside the database's: that shows what sharing costs and brings.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import paho.mqtt.client as paho
import psycopg
from paho.mqtt.enums import CallbackAPIVersion

from edge_agent.wire import Signer
from gateway.bench.fixture import processor_times
from gateway.store.migrate import migrate
from gateway.system.child_process import Child
from gateway.system.embedded_servers import Broker, Postgres
from tests.gateway.enrolled_node import T0, enrol_node

_READINGS = 10
_PROPERTIES = ("pm1", "pm2_5", "pm4", "pm10", "voc_raw", "nox_raw", "temperature", "humidity")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--areas", type=int, default=4)
    parser.add_argument("--nodes", type=int, default=100, help="in all areas together")
    parser.add_argument("--batches", type=int, default=20_000)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", type=float, help="hold each worker to so much of a core")
    options = parser.parse_args()
    results = {workers: [] for workers in options.workers}
    for _ in range(options.rounds):
        for workers in options.workers:
            results[workers].append(run_benchmark(options, workers))
            print(json.dumps({"workers": workers, **results[workers][-1]}), flush=True)
    medians = {
        workers: {name: round(statistics.median(result[name] for result in rounds), 2) for name in rounds[0]}
        for workers, rounds in results.items()
    }
    print(json.dumps(medians))


def run_benchmark(options: argparse.Namespace, workers: int) -> dict[str, float]:
    """Of one backlog: values a second, cores that the workers used, how busy the machine was (0 to 1)."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="piekwacht-scale-")))
        folder.chmod(0o755)
        dsn = stack.enter_context(Postgres(folder)).create_database("scale")
        migrate(dsn)
        broker = stack.enter_context(Broker(folder / "broker"))
        payloads = sign_payloads(dsn, options)
        children = [stack.enter_context(start_worker(folder, dsn, broker, number)) for number in range(workers)]
        connection = stack.enter_context(psycopg.connect(dsn, autocommit=True))
        wait_until_shared(connection, folder, options.areas, workers)
        for child in children if options.cores else []:
            stack.enter_context(limit_cpu(options.cores, child.process.pid))
        publish(broker, payloads)
        return measure_drain(connection, options.batches, [child.process.pid for child in children])


def sign_payloads(dsn: str, options: argparse.Namespace) -> list[tuple[str, bytes]]:
    """Batches of every node in turn."""
    nodes = [
        enrol_node(dsn, f"node-{i:04}", f"station-{i:04}", f"area-{i % options.areas}") for i in range(options.nodes)
    ]
    payloads = []
    for number in range(options.batches):
        seq = number // len(nodes) + 1
        values = {name: [8.0 + (seq + i) % 3 for i in range(_READINGS)] for name in _PROPERTIES}
        dt = list(range(0, _READINGS * 1000, 1000))
        payload = nodes[number % len(nodes)].payload(seq, t0=T0 + seq * 10_000, dt=dt, values=values)
        payloads.append((payload.topic, payload.body))
    return payloads


def start_worker(folder: Path, dsn: str, broker: Broker, number: int) -> Child:
    """A real gateway that shares areas."""
    key = folder / "gateway.key"
    if not key.exists():
        key.write_text(Signer.generate("gateway.scale").export())
    config = folder / "piekwacht.toml"
    config.write_text(
        f'[database]\ndsn = "{dsn}"\n[broker]\nport = {broker.settings.port}\n'
        f'[ingest]\nkey_file = "{key}"\nshare_areas = true\n'
    )
    command = [Path(sys.executable).with_name("piekwacht"), "gateway", "--config", config]
    return Child("gateway", command, log=folder / f"{number}.log")


def wait_until_shared(connection: psycopg.Connection, folder: Path, areas: int, workers: int) -> None:
    """Every worker holds as many areas as another, and listens."""
    deadline = time.monotonic() + 180
    query = "SELECT count(*), count(DISTINCT worker_id) FROM area_lease"
    while connection.execute(query).fetchone() != (areas, workers):
        if time.monotonic() > deadline:
            raise SystemExit(f"the workers did not share {areas} areas: {sorted(folder.glob('*.log'))}")
        time.sleep(0.2)
    time.sleep(5)


@contextmanager
def limit_cpu(cores: float, pid: int) -> Iterator[None]:
    """No more processor than that for this process."""
    group = Path(f"/sys/fs/cgroup/cpu/piekwacht-scale-{pid}")
    group.mkdir()
    period = 50_000  # microseconds
    (group / "cpu.cfs_period_us").write_text(str(period))
    (group / "cpu.cfs_quota_us").write_text(str(int(period * cores)))
    (group / "cgroup.procs").write_text(str(pid))
    yield
    (group.parent / "cgroup.procs").write_text(str(pid))
    group.rmdir()


def publish(broker: Broker, payloads: list[tuple[str, bytes]]) -> None:
    client = paho.Client(CallbackAPIVersion.VERSION2, "network")
    client.max_inflight_messages_set(1000)
    client.connect(broker.settings.host, broker.settings.port)
    client.loop_start()
    for message in [client.publish(topic, body, qos=1) for topic, body in payloads]:
        message.wait_for_publish(120)
    client.disconnect()
    client.loop_stop()


def measure_drain(connection: psycopg.Connection, batches: int, pids: list[int]) -> dict[str, float]:
    """From the end of publishing until 98 % are stored."""
    first_count, started = count_batches(connection), time.monotonic()
    cpu_before, ticks_before = sum(read_cpu_seconds(pid) for pid in pids), read_machine_ticks()
    while (now := count_batches(connection)) < 0.98 * batches:
        time.sleep(0.05)
    seconds = time.monotonic() - started
    ticks_after = read_machine_ticks()
    return {
        "rows_per_second": (now - first_count) * _READINGS * len(_PROPERTIES) / seconds,
        "cores_of_workers": (sum(read_cpu_seconds(pid) for pid in pids) - cpu_before) / seconds,
        "machine_busy": 1 - (ticks_after[0] - ticks_before[0]) / (ticks_after[1] - ticks_before[1]),
        "batches": now - first_count,
    }


def count_batches(connection: psycopg.Connection) -> int:
    return int(connection.execute("SELECT last_value FROM batch_id").fetchone()[0])


def read_cpu_seconds(pid: int) -> float:
    """Seconds of processor that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def read_machine_ticks() -> tuple[int, int]:
    """(idle, all) ticks of all cores."""
    ticks = processor_times()
    return ticks[3] + ticks[4], sum(ticks)


if __name__ == "__main__":
    main()
