"""Numbers that sensors need after a restart, in a file that is replaced atomically."""

import json
import os
import threading
from contextlib import suppress
from pathlib import Path


class SensorState:
    """A small table of numbers, written seldom: each change costs the card a page or two."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._table: dict[str, dict[str, float]] = {}
        with suppress(OSError, ValueError):  # lost or damaged: sensors begin anew, which they can
            table = json.loads(path.read_text())
            if isinstance(table, dict):
                self._table = {k: v for k, v in table.items() if isinstance(v, dict)}

    def get(self, sensor: str, name: str) -> float | None:
        """Return the stored number, or None."""
        with self._lock:
            value = self._table.get(sensor, {}).get(name)
        return value if isinstance(value, int | float) else None

    def put(self, sensor: str, name: str, value: float) -> None:
        """Remember; a disk that is full or read-only is no reason to stop measuring."""
        with self._lock:
            self._table.setdefault(sensor, {})[name] = value
            text = json.dumps(self._table)
            temporary = self._path.with_suffix(".new")
            with suppress(OSError):
                with temporary.open("w") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(self._path)
