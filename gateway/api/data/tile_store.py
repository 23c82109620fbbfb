"""Tiles of a map server on disk, bounded in bytes and age: `<folder>/<z>/<x>/<y>`, without a suffix.

The time of change of a file is when the tile was fetched. Several API processes may share a folder: files are replaced
atomically, and each process counts the folder again from time to time. A full or read-only disk costs the store, never
the map: `put` returns why it could not write. All methods block; call them in a thread.
"""

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from gateway.api.data.pictures import media_type_of

_RECOUNT_PUTS = 200  # other processes write into the same folder
_KEPT_SHARE = 0.9  # of the limit after a clean-up, so that not every tile causes one
_MEGABYTE = 1_000_000
_SECONDS_PER_DAY = 86_400.0


@dataclass(frozen=True, kw_only=True)
class StoredTile:
    """A tile and the time when it was fetched, in seconds since 1970."""

    content: bytes
    fetched_at: float


class TileStore:
    """Owned by one process. `megabytes` and `days` bound the folder."""

    def __init__(self, folder: Path, *, megabytes: int, days: int) -> None:
        self._folder, self._max_bytes = folder, megabytes * _MEGABYTE
        self._max_age = days * _SECONDS_PER_DAY
        self._size = 0
        self._puts_until_count = 0

    def get(self, z: int, x: int, y: int, now: float) -> StoredTile | None:
        """The stored tile, if it is a whole picture and younger than the limit."""
        path = self._path(z, x, y)
        try:
            content, fetched_at = path.read_bytes(), path.stat().st_mtime
        except OSError:
            return None
        if media_type_of(content) is None or now - fetched_at > self._max_age:
            return None
        return StoredTile(content=content, fetched_at=fetched_at)

    def put(self, z: int, x: int, y: int, content: bytes) -> str | None:
        """Store a tile, and delete the oldest beyond the limit. Returns why it could not, else None."""
        path = self._path(z, x, y)
        temporary = path.with_name(f"{path.name}.{uuid4().hex}.new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(content)
            temporary.replace(path)
            self._size += len(content)
            self._puts_until_count -= 1
            if self._puts_until_count < 0 or self._size > self._max_bytes:
                self._clean_up(time.time())
        except OSError as error:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            return error.strerror or str(error)
        return None

    def _path(self, z: int, x: int, y: int) -> Path:
        return self._folder / str(z) / str(x) / str(y)

    def _clean_up(self, now: float) -> None:
        """Count the folder; delete tiles beyond the age limit, then the oldest beyond the size limit."""
        files = sorted(_list_files(self._folder))
        size = sum(bytes_ for _, bytes_, _ in files)
        goal = self._max_bytes if size <= self._max_bytes else _KEPT_SHARE * self._max_bytes
        for fetched_at, bytes_, path in files:
            if now - fetched_at <= self._max_age and size <= goal:
                break
            Path(path).unlink(missing_ok=True)
            size -= bytes_
        self._size, self._puts_until_count = size, _RECOUNT_PUTS


def _list_files(folder: Path) -> list[tuple[float, int, str]]:
    """(time of change, bytes, path) of every file; one that another process deletes meanwhile is left out."""
    files = []
    for parent, _, names in os.walk(folder):
        for name in names:
            path = f"{parent}/{name}"
            try:
                status = os.stat(path)  # noqa: PTH116 - a Path per file costs a third of the count
            except OSError:
                continue
            files.append((status.st_mtime, status.st_size, path))
    return files
