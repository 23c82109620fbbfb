"""Addresses, widths and contents of tiles and bundles of entries."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.transparency.errors import ProofError
from gateway.transparency.merkle import compute_root, hash_leaf, prove_inclusion
from gateway.transparency.tiles import (
    MAX_ENTRY_BYTES,
    Tile,
    decode_entries,
    encode_entries,
    hash_levels,
    hash_reader,
    iterate_tiles,
    tile_width,
)


def test_a_log_of_70000_entries_has_the_tiles_of_the_specification():
    tiles = list(iterate_tiles(0, 70_000))
    full = Counter(tile.level for tile in tiles if tile.width == 256)
    partial = {tile.level: tile.width for tile in tiles if tile.width < 256}
    assert full == {None: 273, 0: 273, 1: 1}
    assert partial == {None: 112, 0: 112, 1: 17, 2: 1}


@given(st.sampled_from([None, *range(64)]), st.integers(0, 10**12), st.integers(1, 256))
def test_an_address_is_read_back(level, index, width):
    tile = Tile(level=level, index=index, width=width)
    assert Tile.parse(tile.path) == tile


def test_the_address_of_the_specification_and_others_that_are_none():
    assert Tile(level=0, index=1_234_067).path == "tile/0/x001/x234/067"
    for path in (
        "tile/0/067.p/256",
        "tile/0/x000/067",
        "tile/64/000",
        "tile/00/000",
        "tile/0/67",
        "../tile/0/000",
        "tile/0/000.p/0",
    ):
        with pytest.raises(ProofError, match="no address of a tile"):
            Tile.parse(path)


class Files(dict):
    """The tiles of a log in memory, written as the log grows; partial tiles stay."""

    def grow(self, leaves, old_size, size):
        for tile in iterate_tiles(old_size, size):
            if tile.level is not None:
                span = 256**tile.level
                firsts = range(tile.index * 256 * span, (tile.index * 256 + tile.width) * span, span)
                self[tile.path] = b"".join(hash_levels(leaves[first : first + span]) for first in firsts)

    def read(self, tile):
        return self[tile.path]


@pytest.mark.parametrize("steps", [[1, 2, 3, 255, 256, 257, 513, 1000], [300, 66_000, 70_000]])
def test_every_root_and_proof_comes_from_the_tiles_alone(steps):
    leaves = [hash_leaf(str(i).encode()) for i in range(steps[-1])]
    files, before = Files(), 0
    for size in steps:
        files.grow(leaves, before, size)
        read_hash, before = hash_reader(size, files.read), size
        direct = lambda level, index: hash_levels(leaves[index << level : (index + 1) << level])  # noqa: E731
        assert compute_root(size, read_hash) == compute_root(size, direct)
        for index in {0, size // 2, size - 1}:
            assert prove_inclusion(index, size, read_hash) == prove_inclusion(index, size, direct)


def test_a_tile_of_another_length_is_refused_by_name():
    read_hash = hash_reader(300, lambda _: b"\0" * 33)
    with pytest.raises(ProofError, match=r"tile/0/000 has 33 bytes"):
        read_hash(0, 0)
    with pytest.raises(ProofError, match="no complete subtree"):
        hash_reader(300, lambda tile: b"\0" * 32 * tile.width)(8, 1)


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_a_bundle_is_read_back_and_never_cut_off_unnoticed(entries):
    bundle = encode_entries(entries)
    assert decode_entries(bundle, width=len(entries)) == entries
    for cut in range(len(bundle)):
        with pytest.raises(ProofError):
            decode_entries(bundle[:cut], width=len(entries))


def test_an_entry_that_is_too_long_is_refused():
    assert decode_entries(encode_entries([b"a" * MAX_ENTRY_BYTES])) == [b"a" * MAX_ENTRY_BYTES]
    with pytest.raises(ProofError, match="65536 bytes"):
        encode_entries([b"a" * (MAX_ENTRY_BYTES + 1)])


def test_widths():
    assert [
        tile_width(70_000, 0, 273),
        tile_width(70_000, 0, 274),
        tile_width(70_000, 1, 1),
        tile_width(70_000, 2, 0),
    ] == [112, 0, 17, 1]
