"""`make fuzz-api`: a chosen number of generated requests to the API; none may be a server error.

python -m tests.gateway.api.fuzz --cases 50000
"""

import argparse
import asyncio
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from gateway.api.app import serve
from gateway.api.settings import ApiSettings
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.ingest.pipeline import Pipeline
from gateway.quality.flagger import Flagger
from gateway.store.connection import Store
from gateway.store.migrate import migrate
from gateway.system.child_process import find_free_port, is_port_open
from gateway.system.embedded_servers import Broker, Postgres
from tests.gateway.api.observation_batches import ingest_observations
from tests.gateway.enrolled_node import enrol_node

_OPERATIONS = 21  # of the description, without the live feed
_CASES_PER_ROUND = 2_500


def main() -> int:
    """Exit 1 where a question was answered with a server error."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="piekwacht-fuzz-") as folder:
        Path(folder).chmod(0o755)
        with Postgres(Path(folder), options={"fsync": "off"}) as postgres, Broker(Path(folder) / "broker") as broker:
            dsn = postgres.create_database("fuzz")
            migrate(dsn)
            return uvloop.run(run_fuzz(options, dsn, broker))


async def run_fuzz(options: argparse.Namespace, dsn: str, broker: Broker) -> int:
    """Serve the API, send generated requests, and return the exit code."""
    store, node = Store(dsn), enrol_node(dsn)
    await ingest_observations(Pipeline(store, Flagger(), Detector(DetectionSettings())), node, humidity=lambda _: 70.0)
    await store.close()
    port = find_free_port()
    task = asyncio.create_task(serve(ApiSettings(port=port), dsn, broker.settings))
    while not is_port_open("127.0.0.1", port):
        await asyncio.sleep(0.05)
    began, case_count, exit_code, round_number = time.monotonic(), 0, 0, 0
    while case_count < options.cases:  # counted, because some operations have fewer requests than the maximum
        phases = "fuzzing" if round_number else "coverage,fuzzing"  # coverage gives the same requests for every seed
        output = await asyncio.to_thread(
            _run_schemathesis,
            port,
            min(_CASES_PER_ROUND, options.cases - case_count),
            options.seed + round_number,
            phases,
        )
        match = re.search(r"(\d+) generated", output.stdout)
        if match is None:
            print(output.stdout[-4_000:], output.stderr[-1_000:])
            exit_code = 1
            break
        case_count, exit_code, round_number = (
            case_count + int(match[1]),
            max(exit_code, output.returncode),
            round_number + 1,
        )
        print(output.stdout[-4_000:] if output.returncode else "", end="")
        print(
            f"{case_count} cases, seeds {options.seed} to {options.seed + round_number - 1}, "
            f"{time.monotonic() - began:.0f} s, "
            f"{'a server error' if exit_code else 'no server error'}",
            flush=True,
        )
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return exit_code


def _run_schemathesis(port: int, cases: int, seed: int, phases: str) -> subprocess.CompletedProcess[str]:
    address = f"http://127.0.0.1:{port}"
    command = [Path(sys.executable).with_name("schemathesis"), "run", f"{address}/api/v1/openapi.json",
               "--checks", "not_a_server_error", "--phases", phases, "--exclude-path", "/api/v1/live",
               "--max-examples", -(-cases // _OPERATIONS), "--request-timeout", "20", "--seed", seed,
               "--workers", "2", "--generation-database", "none", "--url", address]  # fmt: skip
    return subprocess.run([*map(str, command)], capture_output=True, text=True)


if __name__ == "__main__":
    sys.exit(main())
