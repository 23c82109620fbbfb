"""Cost of the public log: processor time per batch, a proof among ten million, memory, and reading to checkpoint.

python -m tests.benchmarks.log sequence --batches 200000
python -m tests.benchmarks.log proof --leaves 10000000
python -m tests.benchmarks.log memory --leaves 10000000
python -m tests.benchmarks.log demo --seconds 60
"""

import argparse
import asyncio
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg

from edge_agent.wire import Signer
from gateway.store.migrate import migrate
from gateway.system.embedded_servers import Postgres
from gateway.transparency.checkpoint import Checkpoint, read_checkpoint
from gateway.transparency.log_folder import LogFolder
from gateway.transparency.merkle import check_inclusion, compute_root, hash_leaf
from gateway.transparency.proof_file import LogProof
from gateway.transparency.proofs import Prover
from gateway.transparency.tile_builder import TileBuilder
from gateway.transparency.tiles import WIDTH, Tile, hash_levels, hash_reader
from tests.gateway.enrolled_node import enrol_node
from tests.gateway.transparency.logs import ORIGIN, TestLog

WAVE = 10_000  # batches of ten seconds at a thousand per second
FILL = """
    INSERT INTO batch (id, node_id, incarnation, seq, sha256, payload, boot, mono, clock, hist, received_at)
    SELECT nextval('batch_id'), 'ijm-001', 'k3v5x2m2q7ab', n, sha256(n::text::bytea), decode(repeat('00', 820), 'hex'),
           'boot', 0, 'synced', false, now()
    FROM generate_series(%s::bigint, %s::bigint) n
"""
TICKS = os.sysconf("SC_CLK_TCK")


def read_cpu(pid: int) -> float:
    """Processor time of a process, s."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def read_memory() -> float:
    """Resident memory of this process now, MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def measure_sequencing(batches: int) -> None:
    """Processor time of the sequencer and of its database session per batch, in waves of ten seconds."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        Path(folder).chmod(0o755)
        server = stack.enter_context(Postgres(Path(folder), options={"max_wal_size": "4GB"}))
        dsn = server.create_database("log")
        migrate(dsn)
        enrol_node(dsn)
        log = TestLog(dsn, Path(folder) / "log", Signer.generate(ORIGIN))
        with closing(log.sequencer()) as sequencer, psycopg.connect(dsn, autocommit=True) as connection:
            asyncio.run(sequencer.run_step())
            backend = sequencer._store.connect().info.backend_pid
            own, session, wall = [], [], []
            for first in range(1, batches, WAVE):
                connection.execute(FILL, [first, first + WAVE - 1])
                before = time.process_time(), read_cpu(backend), time.perf_counter()
                asyncio.run(sequencer.run_step())
                after = time.process_time(), read_cpu(backend), time.perf_counter()
                for values, start, end in zip((own, session, wall), before, after, strict=True):
                    values.append((end - start) / WAVE * 1e6)
                print(f"{first + WAVE - 1:9} batches: {own[-1]:.1f} us own, {session[-1]:.1f} us database, "
                      f"{wall[-1] * WAVE / 1e6:.2f} s a step, {read_memory():.0f} MB", flush=True)  # fmt: skip
    share = statistics.median(own) / 10
    print(f"median per batch: {statistics.median(own):.1f} us of the gateway ({share:.2f} % of a core at "
          f"1,000 per second), {statistics.median(session):.1f} us of the database")  # fmt: skip


def measure_proofs(leaves: int) -> None:
    """Time of one proof with all files read from the disk anew; every leaf of the log is the same."""
    entry = b"piekwacht/batch@v1\nijm-001 k3v5x2m2q7ab 1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
    signer = Signer.generate(ORIGIN)
    with tempfile.TemporaryDirectory() as folder:
        files = LogFolder(Path(folder), Path(folder) / "head")
        _write_uniform_tiles(Path(folder), leaves, hash_leaf(entry))
        root = compute_root(leaves, hash_reader(leaves, files.read_tile))
        files.write_checkpoint(Checkpoint(origin=ORIGIN, size=leaves, root=root).sign(signer))
        times, cpu = [], []
        for _ in range(1000):
            index = random.randrange(leaves)
            started_at, cpu_at = time.perf_counter(), time.process_time()
            text = Prover.open(files).prove(index)
            times.append((time.perf_counter() - started_at) * 1000)
            cpu.append((time.process_time() - cpu_at) * 1000)
            check_inclusion(index, leaves, hash_leaf(entry), LogProof.parse(text.encode()).hashes, root)
    times.sort()
    print(f"proof of one among {leaves:,} leaves: median {times[500]:.2f} ms, 99 % {times[990]:.2f} ms; "
          f"processor time: median {sorted(cpu)[500]:.2f} ms")  # fmt: skip


def _write_uniform_tiles(folder: Path, leaves: int, leaf_hash: bytes) -> None:
    """Write the hash tiles of a log of equal leaves: full tiles of a level are links to one file."""
    subtree_hash = leaf_hash
    for level in range(4):
        count = leaves >> (8 * level)
        if not count:
            return
        original = folder / f"full-{level}"
        original.write_bytes(subtree_hash * WIDTH)
        for index in range(count // WIDTH):
            path = folder / Tile(level=level, index=index).path
            path.parent.mkdir(parents=True, exist_ok=True)
            os.link(original, path) if index % 60_000 else path.write_bytes(original.read_bytes())
        if count % WIDTH:
            path = folder / Tile(level=level, index=count // WIDTH, width=count % WIDTH).path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(subtree_hash * (count % WIDTH))
        subtree_hash = hash_levels([subtree_hash] * WIDTH)


def measure_memory(leaves: int) -> None:
    """Memory and processor time of building all tiles; the files are not written."""
    builder = TileBuilder(0, lambda _: b"")
    started_at, highest = time.process_time(), 0.0
    for first in range(0, leaves, WIDTH):
        entries = [
            b"piekwacht/batch@v1\nijm-001 k3v5x2m2q7ab %d\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n" % number
            for number in range(first, min(first + WIDTH, leaves))
        ]
        for _ in builder.add(entries):
            pass
        if first % (leaves // 10 // WIDTH * WIDTH or WIDTH) == 0:
            highest = max(highest, read_memory())
            print(f"{first:10,} leaves: {read_memory():.1f} MB", flush=True)
    seconds = time.process_time() - started_at
    print(f"{leaves:,} leaves: {seconds / leaves * 1e6:.2f} us each, at most {highest:.1f} MB "
          f"(peak of the process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000:.1f} MB)")  # fmt: skip


def measure_demo(seconds: int) -> None:
    """From `observed_at` of the oldest reading of a batch to the published checkpoint with the batch, in the demo."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        command = [sys.executable, "-m", "gateway", "demo", "--duration", str(seconds + 15), "--data-dir", folder]
        process = subprocess.Popen([*command, "--port", "8093"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        checkpoint, heads = Path(folder) / "public-log" / "ijmond" / "checkpoint", [(0.0, 0)]
        try:
            while not checkpoint.exists():
                time.sleep(0.2)
            started_at = time.monotonic()
            while time.monotonic() - started_at < seconds:
                size = read_checkpoint(checkpoint.read_bytes()).size
                if size > heads[-1][1]:
                    heads.append((time.time(), size))
                time.sleep(0.05)
            _print_delays(tomllib.loads((Path(folder) / "piekwacht.toml").read_text())["database"]["dsn"], heads)
        finally:
            process.terminate()
            process.wait()


def _print_delays(dsn: str, heads: list[tuple[float, int]]) -> None:
    query = """SELECT l.number, extract(epoch FROM min(o.observed_at))::float8 FROM log_leaf l
               JOIN observation o ON o.batch_id = l.batch_id GROUP BY l.number ORDER BY l.number"""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(query).fetchall()
    first_size = heads[1][1]
    delays = sorted(
        next(at for at, size in heads if size > number) - observed_at
        for number, observed_at in rows
        if first_size <= number < heads[-1][1]
    )
    print(f"{len(delays)} batches, {len(heads) - 1} heads: median {statistics.median(delays):.1f} s, "
          f"99 % {delays[int(len(delays) * 0.99)]:.1f} s, longest {delays[-1]:.1f} s")  # fmt: skip


def main() -> None:
    """Run one measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["sequence", "proof", "memory", "demo"])
    parser.add_argument("--batches", type=int, default=200_000)
    parser.add_argument("--leaves", type=int, default=10_000_000)
    parser.add_argument("--seconds", type=int, default=60)
    args = parser.parse_args()
    match args.what:
        case "sequence":
            measure_sequencing(args.batches)
        case "proof":
            measure_proofs(args.leaves)
        case "memory":
            measure_memory(args.leaves)
        case _:
            measure_demo(args.seconds)


if __name__ == "__main__":
    main()
