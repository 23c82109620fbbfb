"""A wrong clock for one process: the calls of the C library that read the wall clock are replaced (`wrong_clock.c`).

The agent runs unchanged, with SQLite, MQTT and Python beside it; all see the same wrong time.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

DAY_MS = 86_400_000
_SOURCE = Path(__file__).with_suffix(".c")


class WrongClock:
    """The clock of processes that are started with `environment`; skips the test without a C compiler."""

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.skip("a wrong clock needs a C compiler (cc)")
        library, self._fault = folder / "wrong_clock.so", folder / "wrong_clock"
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, _SOURCE, "-ldl"], check=True)
        self.environment = {"LD_PRELOAD": str(library), "WRONG_CLOCK": str(self._fault)}
        self.set(0, synced=True)

    def set(self, offset_ms: int, *, synced: bool) -> None:
        """Change the clock at once: its error, and whether the kernel considers it synchronised."""
        partial = self._fault.with_suffix(".part")
        partial.write_text(f"{offset_ms} {int(synced)}\n")
        partial.rename(self._fault)
