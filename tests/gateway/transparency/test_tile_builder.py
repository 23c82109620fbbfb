"""Tiles of a growing log: the same whichever steps it grew by, and equal to those computed from the entries."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.transparency.errors import ProofError
from gateway.transparency.merkle import compute_root, hash_leaf
from gateway.transparency.settled_batches import SettledBatches
from gateway.transparency.tile_builder import TileBuilder
from gateway.transparency.tiles import WIDTH, Tile, encode_entries, hash_levels, hash_reader
from tests.gateway.transparency.logs import naive_root


def grow(tiles, former, entries):
    """Continue the tiles as the sequencer does: from the last multiple of 256."""
    start = former - former % WIDTH
    builder = TileBuilder(start, tiles.__getitem__)
    for first in range(start, len(entries), WIDTH):
        tiles.update((item.tile, item.content) for item in builder.add(entries[first : first + WIDTH]))
    tiles.update((item.tile, item.content) for item in builder.finish())


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 700), min_size=1, max_size=8))
def test_tiles_equal_those_computed_from_the_entries(steps):
    tiles, entries = {}, []
    for step in steps:
        former = len(entries)
        entries += [b"%d" % number for number in range(former, former + step)]
        grow(tiles, former, entries)
        size = len(entries)
        assert compute_root(size, hash_reader(size, tiles.__getitem__)) == naive_root(entries)
    for index in range(-(-size // WIDTH)):
        part = entries[index * WIDTH : (index + 1) * WIDTH]
        assert tiles[Tile(level=None, index=index, width=len(part))] == encode_entries(part)
        assert tiles[Tile(level=0, index=index, width=len(part))] == b"".join(map(hash_leaf, part))


def test_the_third_level_begins_at_65536_leaves():
    tiles, entries = {}, [b"%d" % number for number in range(70_000)]
    grow(tiles, 0, entries)
    grow(tiles, 70_000, [*entries, b"last"])
    assert len(tiles[Tile(level=2, index=0, width=1)]) == 32
    first = tiles[Tile(level=1, index=0)]
    assert tiles[Tile(level=2, index=0, width=1)] == hash_levels([first[i : i + 32] for i in range(0, len(first), 32)])
    size = 70_001
    assert compute_root(size, hash_reader(size, tiles.__getitem__)) == naive_root([*entries, b"last"])


def test_tiles_are_continued_at_a_multiple_of_256_alone():
    with pytest.raises(ProofError, match="at a multiple of 256"):
        TileBuilder(255, {}.__getitem__)


transactions = st.lists(st.tuples(st.sampled_from(["draw", "end", "observe"]), st.integers(0, 4)), max_size=60)


@given(transactions)
def test_no_id_is_settled_while_a_transaction_with_a_lower_id_is_open(operations):
    settled, drawn, open_ids, serial = SettledBatches(), 0, {}, 0
    for operation, name in operations:
        if operation == "draw":
            drawn += 1
            open_ids.setdefault(name, (f"{name}/{serial}", []))[1].append(drawn)
            serial += 1
        elif operation == "end":
            open_ids.pop(name, None)
        else:
            until = settled.observe(drawn, frozenset(vxid for vxid, _ in open_ids.values()))
            assert all(id_ > until for _, ids in open_ids.values() for id_ in ids)
    settled.observe(drawn, frozenset())
    assert settled.observe(drawn, frozenset()) == drawn
