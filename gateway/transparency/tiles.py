"""Tiles: files of at most 256 hashes of one level, and bundles of at most 256 entries, after https://c2sp.org/tlog-tiles.

A tile of level L has the hashes of complete subtrees of 256**L leaves. A partial tile is a prefix of the full one.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Self

from msgspec import Struct

from gateway.transparency.errors import ProofError
from gateway.transparency.merkle import HASH_BYTES, ReadHash, hash_children

WIDTH = 256
_HEIGHT = 8
MAX_ENTRY_BYTES = 65_535
_PATH = re.compile(r"tile/(entries|[0-9]|[1-5][0-9]|6[0-3])/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


class Tile(Struct, frozen=True, kw_only=True):
    """Address of a tile; `level` None: of a bundle of entries. `width` 1 to 256 hashes or entries."""

    level: int | None
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Address below the log's prefix, such as `tile/0/x001/234` or `tile/entries/000.p/7`."""
        thousands, last_group = divmod(self.index, 1000)
        groups = [f"{last_group:03d}"]
        while thousands:
            thousands, group = divmod(thousands, 1000)
            groups.insert(0, f"x{group:03d}")
        suffix = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{'entries' if self.level is None else self.level}/{'/'.join(groups)}{suffix}"

    @classmethod
    def parse(cls, path: str) -> Self:
        """Read an address. Raises ProofError if it is none, or is written otherwise than `path` writes it."""
        match = _PATH.fullmatch(path)
        if match:
            level, groups, width = match.groups()
            index = int(groups.replace("x", "").replace("/", ""))
            tile = cls(level=None if level == "entries" else int(level), index=index, width=int(width or WIDTH))
            if tile.path == path:
                return tile
        raise ProofError(f"{path[:100]!r} is no address of a tile")


ReadTile = Callable[[Tile], bytes]
"""Returns the bytes of a tile or of a bundle of entries."""


def tile_width(size: int, level: int, index: int) -> int:
    """Number of hashes of this tile in a log of `size` leaves, 0 to 256."""
    return max(0, min(WIDTH, (size >> (_HEIGHT * level)) - index * WIDTH))


def iterate_tiles(old_size: int, size: int) -> Iterator[Tile]:
    """Yield the hash tiles and bundles that are new or wider in a log that grew from `old_size` to `size` leaves."""
    levels: list[tuple[int | None, int]] = [(None, 0), *((level, level) for level in range(8))]
    for name, level in levels:
        before, now = old_size >> (_HEIGHT * level), size >> (_HEIGHT * level)
        for index in range(before // WIDTH, -(-now // WIDTH)) if now > before else ():
            yield Tile(level=name, index=index, width=min(WIDTH, now - index * WIDTH))


def hash_reader(size: int, read_tile: ReadTile, *, cached_tiles: int = 64) -> ReadHash:
    """Return a function that reads the hashes of a log of `size` leaves from its tiles.

    It raises ProofError for a tile with another number of hashes than the log's size demands.
    """

    @lru_cache(maxsize=cached_tiles)
    def read(level: int, index: int) -> bytes:
        width = tile_width(size, level, index)
        tile = Tile(level=level, index=index, width=width or 1)
        content = read_tile(tile)
        if len(content) != width * HASH_BYTES:
            raise ProofError(f"{tile.path} has {len(content)} bytes, not {width} hashes of {HASH_BYTES}")
        return content

    def read_hash(level: int, index: int) -> bytes:
        tile_level, height = divmod(level, _HEIGHT)
        first = index << height
        start = first % WIDTH * HASH_BYTES
        hashes = split_hashes(read(tile_level, first // WIDTH)[start : start + (HASH_BYTES << height)])
        if len(hashes) != 1 << height:
            raise ProofError(f"a log of {size} leaves has no complete subtree {index} of level {level}")
        return hash_levels(hashes)

    return read_hash


def split_hashes(content: bytes) -> list[bytes]:
    """Bytes of a tile -> its hashes."""
    return [content[i : i + HASH_BYTES] for i in range(0, len(content), HASH_BYTES)]


def hash_levels(hashes: list[bytes]) -> bytes:
    """Hash of a complete subtree whose leaves have these hashes; their number is a power of two."""
    while len(hashes) > 1:
        hashes = [hash_children(hashes[i], hashes[i + 1]) for i in range(0, len(hashes), 2)]
    return hashes[0]


def encode_entries(entries: Iterable[bytes]) -> bytes:
    """Bundle: each entry after its length in two bytes. Raises ProofError for an entry of more than 65,535 bytes."""
    parts = []
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise ProofError(f"an entry of the log has {len(entry)} bytes, more than {MAX_ENTRY_BYTES}")
        parts += [len(entry).to_bytes(2, "big"), entry]
    return b"".join(parts)


def decode_entries(bundle: bytes, *, width: int | None = None) -> list[bytes]:
    """Entries of a bundle. Raises ProofError if it is cut off, or has another number of entries than `width`."""
    entries: list[bytes] = []
    position = 0
    while position < len(bundle):
        end = position + 2 + int.from_bytes(bundle[position : position + 2], "big")
        if end > len(bundle) or position + 2 > len(bundle):
            raise ProofError(f"the bundle of entries is cut off in entry {len(entries)}")
        entries.append(bundle[position + 2 : end])
        position = end
    if width is not None and len(entries) != width:
        raise ProofError(f"the bundle has {len(entries)} entries, not {width}")
    return entries
