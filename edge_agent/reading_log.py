"""A node's own log of every reading it made, before the reading is stored: the truth to judge the system by."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import msgspec

from edge_agent.errors import AgentError
from edge_agent.sensors.sensor import Reading

_LOG = logging.getLogger(__name__)


class ReadingLog:
    """One JSON line per reading. A full disk costs lines of this log, which then holds their number."""

    def __init__(self, path: Path) -> None:
        """Raise AgentError if the file cannot be opened."""
        self._path = path
        try:
            self._file = path.open("ab", buffering=0)
        except OSError as error:
            raise AgentError(f"log.generated: {path} cannot be written ({error.strerror})") from None
        self._omitted = 0  # readings that may be missing since the last complete write
        self._is_cut = _ends_within_line(path)  # by a kill or a full disk

    def write(self, runs: Sequence[Sequence[Reading]]) -> None:
        """Append; it is with the operating system, though perhaps not on the disk, when this returns."""
        readings = [reading for readings in runs for reading in readings]
        lines = [_encode({"observed_at": reading.observed_at, "values": dict(reading.values)}) for reading in readings]
        if self._omitted:
            lines.insert(0, _encode({"omitted": self._omitted}))
        block = b"\n" * self._is_cut + b"".join(lines)
        try:
            is_complete = self._file.write(block) == len(block)
        except OSError as error:
            is_complete = False
            if not self._omitted:
                _LOG.warning(
                    "%s cannot be written (%s): readings are stored and sent all the same, and missing in this log",
                    self._path, error.strerror,
                )  # fmt: skip
        self._omitted = 0 if is_complete else self._omitted + len(readings)
        self._is_cut = not is_complete

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.fsync(self._file.fileno())
        self._file.close()


def _ends_within_line(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        return file.read(1) not in {b"", b"\n"}


def _encode(entry: dict[str, object]) -> bytes:
    return msgspec.json.encode(entry) + b"\n"
