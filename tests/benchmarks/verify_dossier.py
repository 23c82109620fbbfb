"""Measure `piekwacht verify` and verify.py on a dossier: `python -m tests.benchmarks.verify_dossier --batches 1000`.

The dossier has one evidence file per batch, and a manifest. Times are of one process on one core, start included.
"""

import argparse
import hashlib
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gateway.verification.standalone import verify
from tests.gateway.verification.world import FIRST_NUMBER, World


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--batches", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        policy = make_dossier(Path(folder, "dossier"), options.batches)
        Path(folder, "policy").write_text(policy)
        arguments = [f"{folder}/dossier", "--policy", f"{folder}/policy"]
        for name, command in (
            ("piekwacht verify", [sys.executable, "-m", "gateway", "verify"]),
            ("verify.py with cryptography", [sys.executable, verify.__file__]),
            ("verify.py alone", [sys.executable, "-I", "-S", verify.__file__]),
        ):
            measure(name, command + arguments)
    return 0


def make_dossier(folder: Path, batches: int) -> str:
    """Write a dossier; return the policy of its log."""
    world = World(batches)
    note = world.note()
    evidence = folder / "data" / "evidence"
    evidence.mkdir(parents=True)
    lines = []
    for number in range(FIRST_NUMBER, FIRST_NUMBER + batches):
        content = world.evidence(number=number, note=note, rules=False).encode()
        (evidence / f"{number}.piekwacht.json").write_bytes(content)
        lines.append(f"{hashlib.sha256(content).hexdigest()}  data/evidence/{number}.piekwacht.json\n")
    (folder / "manifest-sha256.txt").write_text("".join(lines))
    return world.policy()


def measure(name: str, command: list[str]) -> None:
    """Print wall and processor time of a command that must end with 0."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    result = subprocess.run(command, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert result.returncode == 0, result.stdout[-500:] + result.stderr
    print(f"{name:28} {time.monotonic() - start:6.2f} s, processor {used:6.2f} s: {result.stdout.splitlines()[-1]}")


if __name__ == "__main__":
    sys.exit(main())
