"""Cost of the agent with a sensor of fixed values, beside a minimal script of paho and SQLite. Run as a module.

python -m tests.benchmarks.agent [--days 30] [--seconds 20] [--rounds 3]

Both take a reading of eight properties every 50 ms and commit twice a second with synchronous = FULL. There is no
broker, so both store everything and try to connect. The agent has a backlog of `--days`, signs and merges. The script
stores JSON lines, unsigned. Processor time and memory are those of the whole process, in turns; its start does not
count.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from edge_agent.bench import fill_spool, read_resident_mb
from edge_agent.wire import Signer
from tests.benchmarks.agent.load import COMMIT_INTERVAL, INTERVAL

_START_SECONDS = 3.0  # s before the measurement


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--days", type=int, default=30, help="backlog of the agent (30)")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of a measurement (20)")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each (3)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="piekwacht-agent-bench-") as name:
        folder = Path(name)
        _write_configuration(folder, options.days)
        results: dict[str, list[tuple[float, float]]] = {"fixed_agent": [], "script": []}
        for _ in range(options.rounds):
            for child, turns in results.items():
                turns.append(_measure(child, folder, options.seconds))
                print(
                    f"{child}: {turns[-1][0]:.3f} ms per reading, {turns[-1][1]:.1f} MB; load {os.getloadavg()[0]:.1f}"
                )
    print(json.dumps({child: _summarize(turns) for child, turns in results.items()}))


def _summarize(turns: list[tuple[float, float]]) -> dict[str, float]:
    return {
        "cpu_ms_per_reading": round(statistics.median(cpu for cpu, _ in turns), 3),
        "rss_mb": round(statistics.median(rss for _, rss in turns), 1),
    }


def _write_configuration(folder: Path, days: int) -> None:
    signer = Signer.generate("bench")
    (folder / "node.key").write_text(signer.export())
    fill_spool(folder / "spool.sqlite", signer, days)
    (folder / "agent.toml").write_text(f"""
node = {{ id = "bench", area = "bench", key_file = "node.key" }}
gateway = {{ keys = ["{signer.verifier}"] }}
broker = {{ host = "127.0.0.1", port = 1 }}
spool = {{ path = "spool.sqlite", quota_mb = 256 }}
batch = {{ interval_seconds = {COMMIT_INTERVAL}, drain_seconds = 0 }}
log = {{ level = "error" }}
sensor = [{{ driver = "simulated" }}]
""")


def _measure(child: str, folder: Path, seconds: float) -> tuple[float, float]:
    """Milliseconds of processor time per reading, and MB, of a new process."""
    command = [sys.executable, "-m", f"tests.benchmarks.agent.{child}", str(folder)]
    environment = {**os.environ, "MALLOC_ARENA_MAX": "1", "PYTHONOPTIMIZE": "2"}  # as in the systemd unit
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            time.sleep(_START_SECONDS)
            cpu, started_at = _read_cpu_seconds(process.pid), time.monotonic()
            time.sleep(seconds)
            cpu, readings = _read_cpu_seconds(process.pid) - cpu, (time.monotonic() - started_at) / INTERVAL
            if process.poll() is not None:
                raise SystemExit(f"the {child} ended before the measurement did")
            return cpu * 1000 / readings, read_resident_mb(process.pid)
        finally:
            process.terminate()


def _read_cpu_seconds(pid: int) -> float:
    """Processor time of all threads, to the nanosecond: the ticks of /proc/PID/stat are as long as 60 readings cost."""
    schedstats = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(path.read_text().split()[0]) for path in schedstats) / 1e9


if __name__ == "__main__":
    main()
