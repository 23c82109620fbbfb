"""Numbers that sensors need after a restart, in a file that is replaced atomically."""

import json
import threading
from contextlib import suppress
from pathlib import Path

from edge_agent.atomic_file import write_atomically


class SensorState:
    """Table of numbers per sensor; written rarely, because each change writes a page or two to the card."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._table: dict[str, dict[str, float]] = {}
        with suppress(OSError, ValueError):  # lost or damaged: the sensors start without it
            table = json.loads(path.read_text())
            if isinstance(table, dict):
                self._table = {k: v for k, v in table.items() if isinstance(v, dict)}

    def get(self, sensor: str, name: str) -> float | None:
        """Return the stored number, or None."""
        with self._lock:
            value = self._table.get(sensor, {}).get(name)
        return value if isinstance(value, int | float) else None

    def put(self, sensor: str, name: str, value: float) -> None:
        """Store a number. A full or read-only disk does not stop the measurements."""
        with self._lock:
            self._table.setdefault(sensor, {})[name] = value
            with suppress(OSError):
                write_atomically(self._path, json.dumps(self._table).encode())
