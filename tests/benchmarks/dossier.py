"""Time and memory of the dossier of an event of an hour: `python -m tests.benchmarks.dossier`.

The event has readings every second at three stations, with wind and humidity. Each run is a separate process,
as for the button of inspectors; the first one also reads the programs from the disk.
"""

import argparse
import asyncio
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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
            for _ in range(args.runs):
                measure(event, config, folder / "dossier.zip")


def measure(event, config, output):
    """Print seconds, processor seconds, size and memory of one run."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [sys.executable, "-m", "gateway", "dossier", event, "--config", config, "-o", output]
    subprocess.run(command, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(
        f"{time.monotonic() - began:.2f} s, {processor:.2f} s of a processor, "
        f"{output.stat().st_size / 1e6:.2f} MB, at most {after.ru_maxrss / 1024:.0f} MB of memory"
    )


if __name__ == "__main__":
    main()
