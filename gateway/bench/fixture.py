"""Fixture of the ingest benchmarks: enrolled nodes that sign, a database, a real gateway process."""

import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import psycopg

from edge_agent.wire import ClockState, ReadingBatch, Signer, Topic, TopicKind
from gateway.model.registry import Area, Node, Station
from gateway.mqtt.settings import BrokerSettings
from gateway.store import stations
from gateway.store.connection import connect
from gateway.store.migrate import migrate
from gateway.system.child_process import Child
from gateway.system.embedded_servers import Broker, Postgres

AREA = "bench"
TYPICAL_VALUES = {
    "pm1": 6.0,
    "pm2_5": 9.0,
    "pm4": 11.0,
    "pm10": 15.0,
    "voc_raw": 30_500.0,
    "nox_raw": 16_500.0,
    "temperature": 11.0,
    "humidity": 78.0,
}  # typical value of each property of a node


# settings of timescaledb-tune for a machine of 4 GB, as operators use them
_POSTGRES_OPTIONS = {
    "shared_buffers": "1GB",
    "max_wal_size": "4GB",
    "min_wal_size": "2GB",
    "checkpoint_timeout": "15min",
}
_WAL_SEGMENTS = 100  # of 16 MB


class Servers(NamedTuple):
    """A temporary folder, the DSN of a database with the current schema, and a broker."""

    folder: Path
    dsn: str
    broker: Broker


@contextmanager
def run_servers(dsn: str | None) -> Iterator[Servers]:
    """Start a broker, and a database unless `dsn` names an empty one; both end with the block."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="piekwacht-bench-")))
        folder.chmod(0o755)
        if dsn is None:
            dsn = stack.enter_context(Postgres(folder, options=_POSTGRES_OPTIONS)).create_database("bench")
            _fill_wal_segments(dsn)
            _touch_shared_buffers(dsn)
        migrate(dsn)
        yield Servers(folder, dsn, stack.enter_context(Broker(folder / "broker")))


def _fill_wal_segments(dsn: str) -> None:
    """Fill the write-ahead log once: a new server first fills each segment with zeros, a used one overwrites."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for _ in range(_WAL_SEGMENTS):
            connection.execute("SELECT pg_logical_emit_message(false, '', ''), pg_switch_wal()")
        connection.execute("CHECKPOINT")


def _touch_shared_buffers(dsn: str) -> None:
    """Use each page of the shared buffers once: the kernel clears a page of a new server when it is first used."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE UNLOGGED TABLE touched (filler text STORAGE PLAIN)")
        connection.execute(
            "INSERT INTO touched SELECT repeat('x', 5000)"  # one row per page
            " FROM generate_series(1, (SELECT setting::int FROM pg_settings WHERE name = 'shared_buffers'))"
        )
        connection.execute("DROP TABLE touched")


def enrol_nodes(dsn: str, count: int) -> list[Signer]:
    """Enrol nodes at stations some hundred metres apart."""
    signers = [Signer.generate(f"bench-{i:05}") for i in range(count)]
    outline = {"type": "Polygon", "coordinates": [[[4, 52], [6, 52], [6, 54], [4, 52]]]}
    with connect(dsn) as connection, connection.transaction():
        stations.put_area(connection, Area(id=AREA, name="Bench", authority="Bench", outline=outline))
        for i, signer in enumerate(signers):
            coordinates = {"latitude": 52 + i // 100 * 0.005, "longitude": 4 + i % 100 * 0.005}
            stations.put_station(connection, Station(id=signer.name, area=AREA, name=signer.name, **coordinates))
            stations.put_node(connection, Node(id=signer.name, area=AREA, station=signer.name, key=signer.verifier))
    return signers


def sign_batch(
    signer: Signer, seq: int, t0: int, step: int, values: Mapping[str, Sequence[float]]
) -> tuple[str, bytes]:
    """(topic, payload) of one batch: columns of equal length, readings from `t0` (ms UTC) on, `step` ms apart."""
    batch = ReadingBatch(
        v=1,
        node=signer.name,
        inc="b" * 12,
        seq=seq,
        boot="bench",
        clock=ClockState.SYNCED,
        mono=seq * 1_000,
        t0=t0,
        dt=[i * step for i in range(len(next(iter(values.values()))))],
        values={name: list(column) for name, column in values.items()},
    )
    return str(Topic(area=AREA, node=signer.name, kind=TopicKind.READINGS)), signer.sign(batch.encode())


@contextmanager
def run_gateway(
    folder: Path, dsn: str, broker: BrokerSettings, key: Signer, *, public_log: bool = False
) -> Iterator[Child]:
    """Start a real gateway process; with `public_log` it writes the log of the area too."""
    (folder / "gateway.key").write_text(key.export())
    config = folder / "piekwacht.toml"
    config.write_text(f"""
database = {{ dsn = "{dsn}" }}
broker = {{ host = "{broker.host}", port = {broker.port} }}
ingest = {{ key_file = "gateway.key", areas = ["{AREA}"] }}
{_configure_log(folder) if public_log else ""}
""")
    command: list[str | Path] = [sys.executable, "-m", "gateway", "gateway", "--config", config]
    with Child("gateway", command, log=folder / "gateway.log") as child:
        yield child


def _configure_log(folder: Path) -> str:
    host = "bench.example"
    (folder / f"{AREA}.key").write_text(Signer.generate(f"{host}/log/{AREA}").export())
    return f'public_log = {{ folder = "{folder}/log", host = "{host}", key_folder = "{folder}" }}'


def process_tree(pid: int) -> list[int]:
    """Return a process and its children."""
    statuses = ((int(path.name), _status(path)) for path in Path("/proc").glob("[0-9]*"))
    return [pid, *(process_id for process_id, status in statuses if status.get("PPid") == str(pid))]


def resident_megabytes(pid: int) -> float:
    """Return the resident MB of a process and its children; shared pages count for each."""
    sizes = (_status(Path(f"/proc/{process_id}")).get("VmRSS", "0") for process_id in process_tree(pid))
    return sum(int(kilobytes.split()[0]) for kilobytes in sizes) / 1024


def _status(process: Path) -> dict[str, str]:
    """Read /proc/PID/status; empty if the process has just ended."""
    with suppress(OSError):
        return dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines())
    return {}


def processor_times() -> list[int]:
    """Return ticks of all processors together: user, nice, system, idle, iowait, irq, softirq, steal."""
    return [int(ticks) for ticks in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
