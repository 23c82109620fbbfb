"""Time and memory of the dossier of an event of an hour: `python -m tests.benchmarks.dossier`.

The event has readings every second at three stations, with wind and humidity. The command is cold: each run is a
new process, and the first one also reads the programs from the disk. The child of the API is warm from its second job
on. pandas, a package for development, is hidden: pyarrow would load it, and no installation has it.
"""

import argparse
import asyncio
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gateway.dossier.request import DossierPublisher
from gateway.dossier.worker import DossierWorker
from gateway.store.migrate import migrate
from gateway.system.embedded_servers import Postgres
from tests.gateway.dossier.conftest import fill


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="piekwacht-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with Postgres(folder, options={"fsync": "off"}) as server:
            dsn = server.create_database("bench")
            migrate(dsn)
            event = asyncio.run(fill(dsn, begin=3_900, minutes=60, after=2_400))
            config = folder / "piekwacht.toml"
            config.write_text(f'[database]\ndsn = "{dsn}"\n')
            hide_pandas(folder / "hidden")
            print(f"load of the machine: {os.getloadavg()[0]:.1f}")
            cold = [measure_command(event, config, folder / "dossier.zip") for _ in range(args.runs)]
            warm = asyncio.run(measure_worker(event, dsn, args.runs))
            print(f"median: cold {statistics.median(cold):.2f} s, warm {statistics.median(warm):.2f} s")


def hide_pandas(folder):
    """Put a module before pandas in the path of all children that cannot be imported."""
    folder.mkdir()
    (folder / "pandas.py").write_text('raise ImportError("hidden")\n')
    os.environ["PYTHONPATH"] = os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(folder)]).strip(os.pathsep)


def measure_command(event, config, output):
    """Print seconds, processor seconds, size and memory of one run of the command; return the seconds."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [sys.executable, "-m", "gateway", "dossier", event, "--config", config, "-o", output]
    subprocess.run(command, check=True)
    seconds = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(
        f"cold: {seconds:.2f} s, {processor:.2f} s of a processor, {output.stat().st_size / 1e6:.2f} MB, "
        f"at most {after.ru_maxrss / 1024:.0f} MB of memory in one process"
    )
    return seconds


async def measure_worker(event, dsn, runs):
    """Print and return the seconds of each job of a child that has made one dossier."""
    worker = DossierWorker(dsn, DossierPublisher(operator="-", public_url=""))
    seconds = []
    for _ in range(runs + 1):
        began = time.monotonic()
        await worker.make(event, "nl")
        seconds.append(time.monotonic() - began)
    await worker.aclose()
    print("warm: " + ", ".join(f"{value:.2f}" for value in seconds[1:]) + f" s; the first job {seconds[0]:.2f} s")
    return seconds[1:]


if __name__ == "__main__":
    main()
