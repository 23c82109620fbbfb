"""Stored tiles: bounded in bytes and age, and a disk that refuses costs nothing but the store."""

import os
import time

import pytest

from gateway.api.data.tile_store import TileStore

PICTURE = b"\x89PNG" + b"x" * 99_996
NOW = 1_700_000_000.0


@pytest.fixture
def store(tmp_path):
    return TileStore(tmp_path / "tiles", megabytes=1, days=30)


def test_a_tile_is_stored_with_its_time(store):
    assert store.get(10, 525, 336, time.time()) is None
    assert store.put(10, 525, 336, PICTURE) is None
    stored = store.get(10, 525, 336, time.time())
    assert stored.content == PICTURE
    assert abs(stored.fetched_at - time.time()) < 5


def test_the_oldest_go_first_when_the_folder_is_full(store, tmp_path):
    for x in range(10):
        store.put(10, x, 0, PICTURE)
        os.utime(tmp_path / "tiles" / "10" / str(x) / "0", (NOW + x, NOW + x))
    now = NOW + 100
    assert store.get(10, 0, 0, now) is not None
    store.put(10, 10, 0, PICTURE)  # the eleventh: 1.1 MB
    files = list((tmp_path / "tiles").rglob("0"))
    assert sum(file.stat().st_size for file in files) <= 1_000_000
    assert store.get(10, 0, 0, now) is None
    assert store.get(10, 10, 0, time.time()) is not None


def test_a_tile_beyond_its_age_is_not_shown(store, tmp_path):
    store.put(10, 1, 1, PICTURE)
    fetched_at = (tmp_path / "tiles" / "10" / "1" / "1").stat().st_mtime
    assert store.get(10, 1, 1, fetched_at + 29 * 86_400) is not None
    assert store.get(10, 1, 1, fetched_at + 31 * 86_400) is None


def test_a_damaged_file_is_no_tile(store, tmp_path):
    store.put(10, 1, 1, PICTURE)
    (tmp_path / "tiles" / "10" / "1" / "1").write_bytes(b"")
    assert store.get(10, 1, 1, time.time()) is None


def test_a_folder_that_cannot_be_written_gives_the_reason(tmp_path):
    (tmp_path / "file").write_text("no folder")
    store = TileStore(tmp_path / "file", megabytes=1, days=30)
    assert store.put(10, 1, 1, PICTURE) == "Not a directory"
    assert store.get(10, 1, 1, time.time()) is None
