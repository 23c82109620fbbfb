"""Files of the log of one area: tiles, checkpoint, policy, and the last signed head.

Each file is written under a temporary name, forced to the disk and renamed, so that a reader never sees a part of it.
The sequencer writes them, the API reads them. Raises OSError if the disk fails.
"""

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Self

from edge_agent.atomic_file import write_atomically
from gateway.transparency.errors import ProofError
from gateway.transparency.merkle import HASH_BYTES
from gateway.transparency.settings import PublicLogSettings
from gateway.transparency.tiles import WIDTH, Tile, decode_entries, encode_entries


class LogFolder:
    """Public files of a log below `path`, and `state_file`, which is not served."""

    def __init__(self, path: Path, state_file: Path) -> None:
        self.path, self._state_file = path, state_file
        self._tile_folders: set[Path] = set()

    @classmethod
    def of(cls, settings: PublicLogSettings, area: str) -> Self:
        """Files of the log of an area by its settings."""
        return cls(settings.folder / area, settings.state_file_of(area))

    def write_tile(self, tile: Tile, content: bytes) -> None:
        """Write a tile or a bundle of entries; its name is durable after `sync_tiles`."""
        path = self.path / tile.path
        if path.parent not in self._tile_folders:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._tile_folders.add(path.parent)
        write_atomically(path, content)

    def sync_tiles(self) -> None:
        """Force the names of all tiles written so far to the disk."""
        parents = {folder.parent for folder in self._tile_folders}
        for folder in sorted(self._tile_folders | parents):
            _sync_folder(folder)
        self._tile_folders.clear()

    def read_tile(self, tile: Tile) -> bytes:
        """Bytes of a tile; of a partial one also if only the full one is there. Raises ProofError if neither is."""
        content = self._read(tile.path)
        if content is None and tile.width < WIDTH:
            full = self._read(Tile(level=tile.level, index=tile.index).path)
            content = None if full is None else _cut(tile, full)
        if content is None:
            raise ProofError(f"the log has no file {tile.path}")
        return content

    def remove_partial_tiles(self, tiles: Iterable[Tile]) -> None:
        """Remove the partial tiles of these full ones: who has an older head reads the full ones."""
        for tile in tiles:
            shutil.rmtree(self.path / f"{tile.path}.p", ignore_errors=True)

    def write_checkpoint(self, note: bytes) -> None:
        """Publish a head of the log."""
        write_file(self.path / "checkpoint", note)

    def read_checkpoint(self) -> bytes | None:
        """Signed note of the newest published head; None before the first."""
        return self._read("checkpoint")

    def write_policy(self, text: str) -> None:
        """Publish the policy."""
        if self.read_policy() != text:
            write_file(self.path / "policy", text.encode())

    def read_policy(self) -> str | None:
        """Text of the published policy."""
        content = self._read("policy")
        return None if content is None else content.decode()

    def read_time_stamp(self, size: int) -> bytes | None:
        """Time stamp of the head of `size` leaves, DER; None if that head has none."""
        return self._read(f"timestamps/{size}.tsr")

    def list_time_stamps(self) -> list[int]:
        """Sizes of the heads with a time stamp, ascending."""
        names = [file.stem for file in (self.path / "timestamps").glob("*.tsr")]
        return sorted(int(name) for name in names if name.isascii() and name.isdecimal())

    def read_stamped_head(self, size: int) -> bytes | None:
        """Signed note of the head of `size` leaves that was stamped; None if it is not there."""
        return self._read(f"timestamps/{size}.checkpoint")

    def write_state(self, note: bytes) -> None:
        """Store the last signed head."""
        write_file(self._state_file, note)

    def read_state(self) -> bytes | None:
        """Signed note of the last signed head; None if there is none."""
        with suppress(FileNotFoundError):
            return self._state_file.read_bytes()
        return None

    def _read(self, name: str) -> bytes | None:
        with suppress(FileNotFoundError, NotADirectoryError):
            return (self.path / name).read_bytes()
        return None


def write_file(path: Path, content: bytes) -> None:
    """Replace a file so that a power cut leaves the former content or the new one. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cut(tile: Tile, full: bytes) -> bytes:
    if tile.level is None:
        return encode_entries(decode_entries(full)[: tile.width])
    return full[: tile.width * HASH_BYTES]
