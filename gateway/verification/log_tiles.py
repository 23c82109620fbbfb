"""Tiles of a log, each checked against the head: a wrong hash in any of them is detected when it is read.

The partial tiles at the right edge lead to the root of the head. Each full tile leads to one hash of the tile above it.
"""

from functools import lru_cache

from gateway.transparency.checkpoint import Checkpoint
from gateway.transparency.errors import ProofError
from gateway.transparency.merkle import HASH_BYTES, ReadHash, compute_root
from gateway.transparency.tiles import (
    WIDTH,
    ReadTile,
    Tile,
    decode_entries,
    hash_levels,
    hash_reader,
    split_hashes,
    tile_width,
)

_CACHED_TILES = 64


class CheckedTiles:
    """The tiles of one head. Every method raises ProofError for a tile that does not fit."""

    def __init__(self, checkpoint: Checkpoint, read_tile: ReadTile) -> None:
        """Read the partial tiles and compare the root that they lead to with the head's."""
        self._size, self._read_tile = checkpoint.size, read_tile
        self._read_hashes = lru_cache(_CACHED_TILES)(self._read_full_tile)
        self._edge: dict[Tile, list[bytes]] = {}
        if compute_root(self._size, hash_reader(self._size, self._read_edge)) != checkpoint.root:
            raise ProofError(f"the tiles of {checkpoint.origin} do not fit its head of {self._size} leaves")

    @property
    def read_hash(self) -> ReadHash:
        """Function that reads the hash of any complete subtree."""
        return hash_reader(self._size, lambda tile: b"".join(self._read_checked(tile)), cached_tiles=_CACHED_TILES)

    def read_leaf_hashes(self, index: int) -> list[bytes]:
        """Return the hashes of the leaves [256 * index, ...) that the head has."""
        return self._read_checked(self._locate(0, index))

    def read_entries(self, index: int) -> list[bytes]:
        """Return the entries [256 * index, ...) that the head has; their hashes are not compared here."""
        width = tile_width(self._size, 0, index)
        entries = decode_entries(self._read_tile(Tile(level=None, index=index, width=width)))
        if len(entries) < width:
            raise ProofError(f"the bundle of entries {index} has {len(entries)} entries, not {width}")
        return entries[:width]

    def _read_edge(self, tile: Tile) -> bytes:
        self._edge[tile] = self._fetch(tile)
        return b"".join(self._edge[tile])

    def _read_checked(self, tile: Tile) -> list[bytes]:
        """Return the hashes of a tile; a partial one is never fetched twice, as it could differ the second time."""
        return self._edge[tile] if tile in self._edge else self._read_hashes(tile)

    def _read_full_tile(self, tile: Tile) -> list[bytes]:
        hashes = self._fetch(tile)
        above = self._read_checked(self._locate((tile.level or 0) + 1, tile.index // WIDTH))
        if hash_levels(hashes) != above[tile.index % WIDTH]:
            raise ProofError(f"{tile.path} does not fit the head of {self._size} leaves")
        return hashes

    def _locate(self, level: int, index: int) -> Tile:
        return Tile(level=level, index=index, width=tile_width(self._size, level, index))

    def _fetch(self, tile: Tile) -> list[bytes]:
        hashes = split_hashes(self._read_tile(tile))[: tile.width]
        if len(hashes) != tile.width or len(hashes[-1]) != HASH_BYTES:
            raise ProofError(f"{tile.path} has fewer than {tile.width} hashes")
        return hashes
