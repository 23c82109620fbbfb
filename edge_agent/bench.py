"""`piekwacht-agent bench`: cost of the agent on this machine, measured on a real agent in a separate folder.

The load is that of a station: a reading of eight properties per ten seconds, a batch and a commit per minute. There
is no network, and the spool has a backlog of the given days.
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
from msgspec import Struct

from edge_agent.batch_builder import make_batch_factory, make_merge_factories
from edge_agent.collector import BatchSettings
from edge_agent.sensors.sensor import Reading
from edge_agent.spool import BatchFactory, Spool
from edge_agent.wire import ClockState, Signer

_INTERVAL, _BATCH = 10, 6  # seconds a reading, readings a batch
_LIVE_BATCH = 10
_BATCHES_PER_DAY = 86_400 // _INTERVAL // _BATCH
_COMMITS, _FORGET_EVERY = 300, 10
_BATCHES_PER_MERGE = int(BatchSettings().merge_seconds) // (_INTERVAL * _BATCH)  # batches in one without a broker
_DECIMALS = {"pm1": 1, "pm2_5": 1, "pm4": 1, "pm10": 1, "voc_raw": 0, "nox_raw": 0, "temperature": 2, "humidity": 2}
_LEVELS = {"pm1": 6, "pm2_5": 9, "pm4": 11, "pm10": 15, "voc_raw": 30_500, "nox_raw": 16_500, "temperature": 11, "humidity": 78}  # fmt: skip  # noqa: E501


class BenchResult(Struct, frozen=True, kw_only=True):
    """Measured figures. A value is one number of one property; the goals are in docs/edge.md.

    `bytes_per_value_live` is of batches of ten readings, the form that the wire was chosen by; `_sparse` of six,
    which is a minute of the load above.
    """

    rss_mb: float
    cpu_ms_per_reading: float
    bytes_per_value_live: float
    bytes_per_value_sparse: float
    bytes_per_value_backlog: float
    card_mb_per_day: float
    startup_seconds: float
    spool_mb: float
    spool_days: int


def measure_agent(*, days: int) -> str:
    """One line of JSON."""
    with tempfile.TemporaryDirectory(prefix="piekwacht-bench-") as name:
        folder = Path(name)
        signer = Signer.generate("bench")
        (folder / "node.key").write_text(signer.export())
        per_value, card_mb_per_day = _measure_single_commits(folder / "card.sqlite", signer)
        spool_mb = fill_spool(folder / "spool.sqlite", signer, days)
        startup, rss, cpu = _measure_process(folder, signer)
        result = BenchResult(
            rss_mb=round(rss, 1),
            cpu_ms_per_reading=round(cpu, 3),
            bytes_per_value_live=round(_measure_live_batches(signer), 2),
            bytes_per_value_sparse=round(per_value, 2),
            bytes_per_value_backlog=round(_measure_merged_batches(folder / "folded.sqlite", signer), 2),
            card_mb_per_day=round(card_mb_per_day, 2),
            startup_seconds=round(startup, 3),
            spool_mb=round(spool_mb, 1),
            spool_days=days,
        )
        return msgspec.json.encode(result).decode()


def _measure_live_batches(signer: Signer, *, batches: int = 100) -> float:
    """Bytes a value of signed batches of ten readings."""
    noise = random.Random(4)  # noqa: S311 - as below
    factories = [_make_batch(1_795_228_800_000 + i * 100_000, signer, noise, count=_LIVE_BATCH) for i in range(batches)]
    size = sum(len(factory("b" * 12, 1000 + i).payload) for i, factory in enumerate(factories))
    return size / (batches * _LIVE_BATCH * len(_LEVELS))


def _make_batch(start: int, signer: Signer, noise: random.Random, *, count: int = _BATCH) -> BatchFactory:
    readings = [
        Reading(
            observed_at=start + i * _INTERVAL * 1000 + noise.randrange(3),
            mono=start - 1_792_550_400_000,
            clock=ClockState.SYNCED,
            values={name: round(noise.gauss(level, level * 0.05), _DECIMALS[name]) for name, level in _LEVELS.items()},
        )
        for i in range(count)
    ]
    return make_batch_factory(readings, signer=signer, hist=False)


def _measure_single_commits(path: Path, signer: Signer) -> tuple[float, float]:
    """(bytes a value, MB a day written to the card) of batches stored one by one and forgotten one by one."""
    noise, size = random.Random(1), 0  # noqa: S311 - made-up air
    with Spool(path, node="bench") as spool:
        written_before = _read_written_bytes()
        for i in range(_COMMITS):
            (signed_batch,) = spool.add([_make_batch(1_795_228_800_000 + i * 60_000, signer, noise)])
            size += len(signed_batch.payload)
            if i % _FORGET_EVERY == 0:  # as the agent does each ten minutes
                spool.delete_batches(range(signed_batch.batch.seq - _FORGET_EVERY, signed_batch.batch.seq + 1))
        written = _read_written_bytes() - written_before
    return size / (_COMMITS * _BATCH * len(_LEVELS)), written / _COMMITS * _BATCHES_PER_DAY / 1e6


def _measure_merged_batches(path: Path, signer: Signer) -> float:
    """Bytes a value of batches committed each minute without a broker, and folded as the agent does by default."""
    noise, size, batches = random.Random(3), 0, _BATCHES_PER_MERGE  # noqa: S311 - as above
    with Spool(path, node="bench") as spool:
        for hour in range(6):
            starts = [1_795_228_800_000 + (hour * batches + i) * 60_000 for i in range(batches)]
            for start in starts:
                spool.hold_batches([_make_batch(start, signer, noise)(spool.read_incarnation(), 1).batch])
            size += sum(
                len(signed_batch.payload)
                for signed_batch in spool.number_held(lambda held: make_merge_factories(held, signer=signer))
            )
    return size / (6 * batches * _BATCH * len(_LEVELS))


def _read_written_bytes() -> int:
    """Bytes that this process caused to be written to storage (proc(5)); 0 on a file system in memory."""
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["write_bytes"])


def fill_spool(path: Path, signer: Signer, days: int) -> float:
    """Store the backlog of so many days, merged as the agent merges it; return the size of the file in MB."""
    noise = random.Random(2)  # noqa: S311 - as above
    with Spool(path, node="bench") as spool:
        for day in range(days):
            starts = range(day * _BATCHES_PER_DAY, (day + 1) * _BATCHES_PER_DAY)
            batches = [
                _make_batch(1_792_636_800_000 + i * 60_000, signer, noise)(spool.read_incarnation(), 1).batch
                for i in starts
            ]
            for first in range(0, len(batches), _BATCHES_PER_MERGE):
                spool.hold_batches(batches[first : first + _BATCHES_PER_MERGE])
                spool.number_held(lambda held: make_merge_factories(held, signer=signer))
    return path.stat().st_size / 1e6


def _measure_process(folder: Path, signer: Signer) -> tuple[float, float, float]:
    """(seconds to the first reading, MB resident, ms of CPU a reading) of a real agent without a broker."""
    seconds, log = 12.0, folder / "generated.jsonl"
    (folder / "agent.toml").write_text(f"""
node = {{ id = "bench", area = "bench", key_file = "node.key" }}
gateway = {{ keys = ["{signer.verifier}"] }}
broker = {{ host = "127.0.0.1", port = 1 }}
spool = {{ path = "spool.sqlite", quota_mb = 256 }}
batch = {{ interval_seconds = 0.5, drain_seconds = 0 }}
log = {{ generated = "generated.jsonl", level = "error" }}
sensor = [{{ driver = "simulated", interval_seconds = 0.05, properties = {list(_LEVELS)} }}]
""")
    started = time.monotonic()
    command = [sys.executable, "-m", "edge_agent", "run", "--config", str(folder / "agent.toml")]
    environment = {**os.environ, "MALLOC_ARENA_MAX": "1", "PYTHONOPTIMIZE": "2"}  # as in the systemd unit
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment) as agent:  # noqa: S603 - ourselves
        while not (log.exists() and log.stat().st_size):
            time.sleep(0.005)
            if agent.poll() is not None or time.monotonic() - started > 60:
                agent.kill()
                raise RuntimeError("the agent to be measured did not start")
        startup = time.monotonic() - started - 0.5  # the first reading waits half a second for its commit
        cpu, count = read_cpu_seconds(agent.pid), len(log.read_bytes().splitlines())
        time.sleep(seconds)
        cpu, count = read_cpu_seconds(agent.pid) - cpu, len(log.read_bytes().splitlines()) - count
        rss = read_resident_mb(agent.pid)
        agent.terminate()
    return startup, rss, cpu * 1000 / count


def read_cpu_seconds(pid: int) -> float:
    """Processor time of a process, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def read_resident_mb(pid: int) -> float:
    """Resident memory of a process."""
    lines = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(lines["VmRSS"].split()[0]) / 1024
