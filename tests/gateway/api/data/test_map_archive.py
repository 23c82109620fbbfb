"""Headers of PMTiles archives: archives that the pages can draw are accepted, any other file is one sentence."""

import pytest

from gateway.api.data.map_archive import ArchiveError, check_archive, list_archives, overlaps, read_archive
from tests.gateway.api.archive_writer import IJMOND, write_archive


def refuse(path, megabytes=500):
    with pytest.raises(ArchiveError) as refusal:
        check_archive(read_archive(path), megabytes=megabytes)
    assert "\n" not in str(refusal.value)
    assert path.name in str(refusal.value)
    return str(refusal.value)


def test_a_header_is_read(tmp_path):
    archive = read_archive(write_archive(tmp_path / "ijmond.pmtiles"))
    check_archive(archive, megabytes=1)
    assert archive.name == "ijmond"
    assert (archive.header.min_zoom, archive.header.max_zoom) == (9, 12)
    assert archive.header.bounds == pytest.approx(IJMOND)
    assert (archive.header.tile_kind, archive.header.tile_compression) == ("vector", "gzip")


@pytest.mark.parametrize("length", [0, 5, 100, 127, 200, -1], ids=str)
def test_a_cut_archive_is_refused(tmp_path, length):
    path = write_archive(tmp_path / "ijmond.pmtiles")
    content = path.read_bytes()
    path.write_bytes(content[:length])
    sentence = refuse(path)
    assert "cut" in sentence or "no PMTiles" in sentence


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"tile_kind": 2}, "has png tiles; the pages draw vector tiles"),
        ({"tile_kind": 9}, "has unknown tiles"),
        ({"compression": 3}, "is compressed with brotli; browsers read gzip or none"),
        (
            {"layers": ("transportation", "waterway")},
            "has the layers transportation, waterway; the pages draw archives",
        ),
        ({"layers": ()}, "has the layers (none)"),
        ({"bounds": (4.8, 52.38, 4.8, 52.56)}, "impossible bounds or zoom levels"),
    ],
    ids=["pictures", "kind", "compression", "layers", "no-layers", "bounds"],
)
def test_a_foreign_archive_is_refused(tmp_path, options, sentence):
    assert sentence in refuse(write_archive(tmp_path / "x.pmtiles", **options))


def test_other_files_versions_and_sizes_are_refused(tmp_path):
    path = tmp_path / "x.pmtiles"
    path.write_bytes(b"PK\3\4" + b"0" * 500)
    assert "this is no PMTiles archive" in refuse(path)
    content = bytearray(write_archive(path).read_bytes())
    content[7] = 2
    path.write_bytes(content)
    assert "has version 2 of PMTiles; make it again with version 3" in refuse(path)
    assert "the limit is 0 MB" in refuse(write_archive(path), megabytes=0)
    assert "cannot be read" in refuse(tmp_path / "missing.pmtiles")


def test_metadata_that_unpack_to_gigabytes_are_refused(tmp_path):
    path = write_archive(tmp_path / "x.pmtiles", layers=["a" * 9_000_000])
    assert "its metadata cannot be read" in refuse(path)


def test_a_folder_lists_only_what_can_be_served(tmp_path):
    write_archive(tmp_path / "ijmond.pmtiles")
    write_archive(tmp_path / "Not A Name.pmtiles")
    (tmp_path / "broken.pmtiles").write_bytes(b"PMTiles")
    (tmp_path / "notes.txt").write_text("x")
    assert [archive.name for archive in list_archives(tmp_path)] == ["ijmond"]
    assert list(list_archives(tmp_path / "missing")) == list(list_archives(None)) == []


def test_boxes_that_only_touch_do_not_overlap():
    assert overlaps((4.0, 52.0, 5.0, 53.0), (4.9, 52.9, 6.0, 54.0))
    assert not overlaps((4.0, 52.0, 5.0, 53.0), (5.0, 52.0, 6.0, 53.0))
