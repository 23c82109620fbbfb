"""Builds the tiles of a log that grows, 256 entries at a time. Pure; the sequencer reads entries and writes files.

The memory does not depend on the size of the log: per level it holds the hashes of one tile.
"""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from gateway.transparency.errors import ProofError
from gateway.transparency.merkle import hash_leaf
from gateway.transparency.tiles import (
    WIDTH,
    ReadTile,
    Tile,
    encode_entries,
    hash_levels,
    split_hashes,
    tile_width,
)

_LEVELS = 8


class TileContent(Struct, frozen=True, kw_only=True):
    """A tile or a bundle of entries, and its bytes."""

    tile: Tile
    content: bytes


class TileBuilder:
    """Continues the tiles of a log whose first `size` leaves have tiles already; `size` is a multiple of 256."""

    def __init__(self, size: int, read_tile: ReadTile) -> None:
        """Read the unfinished tiles of the upper levels. Raises ProofError if one cannot be read."""
        if size % WIDTH:
            raise ProofError(f"tiles are continued at a multiple of {WIDTH}, not at {size}")
        self._size = size
        self._hashes = [[], *(_read_unfinished(size, level, read_tile) for level in range(1, _LEVELS))]
        self._changed: set[int] = set()

    def add(self, entries: Sequence[bytes]) -> Iterator[TileContent]:
        """Yield the tiles that the next entries complete: 256 of them, or fewer in the last call."""
        index = self._size // WIDTH
        self._size += len(entries)
        yield TileContent(tile=Tile(level=None, index=index, width=len(entries)), content=encode_entries(entries))
        yield from self._add_hashes(0, index, [hash_leaf(entry) for entry in entries])

    def _add_hashes(self, level: int, index: int, hashes: list[bytes]) -> Iterator[TileContent]:
        yield TileContent(tile=Tile(level=level, index=index, width=len(hashes)), content=b"".join(hashes))
        if len(hashes) < WIDTH:
            return
        above = self._hashes[level + 1]
        above.append(hash_levels(hashes))
        self._changed.add(level + 1)
        if len(above) == WIDTH:
            self._hashes[level + 1] = []
            self._changed.discard(level + 1)
            yield from self._add_hashes(level + 1, index // WIDTH, above)

    def finish(self) -> Iterator[TileContent]:
        """Yield the unfinished tiles of the upper levels that have changed."""
        for level in sorted(self._changed):
            hashes = self._hashes[level]
            index = (self._size >> (8 * level)) // WIDTH
            yield TileContent(tile=Tile(level=level, index=index, width=len(hashes)), content=b"".join(hashes))


def _read_unfinished(size: int, level: int, read_tile: ReadTile) -> list[bytes]:
    index = (size >> (8 * level)) // WIDTH
    width = tile_width(size, level, index)
    return split_hashes(read_tile(Tile(level=level, index=index, width=width))) if width else []
