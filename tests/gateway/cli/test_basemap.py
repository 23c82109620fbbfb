"""`piekwacht basemap`: the API serves the added archives, and a file that cannot be drawn is one sentence."""

from pathlib import Path

import pytest

import gateway.demo
from gateway.__main__ import main
from tests.gateway.api.archive_writer import write_archive


@pytest.fixture
def run(database, tmp_path, capsys):
    """Runs the command over a registry with the demo's area."""
    config = tmp_path / "piekwacht.toml"
    base_map = f'archive_folder = "{tmp_path / "maps"}"\narchive_megabytes = 1\n'
    config.write_text(f'[database]\ndsn = "{database}"\n[api.base_map]\n{base_map}')
    site_path = Path(gateway.demo.__file__).with_name("site.toml")
    assert main(["site", "--config", str(config), "apply", str(site_path)]) == 0
    capsys.readouterr()

    def run(*words):
        code = main(["basemap", "--config", str(config), *map(str, words)])
        output = capsys.readouterr()
        return code, output.out + output.err

    return run


def test_an_archive_is_added_listed_and_removed(run, tmp_path):
    assert run("list") == (
        0,
        "no archives; the pages show the drawn base map. `piekwacht basemap add` adds an archive\n",
    )
    path = write_archive(tmp_path / "extract.pmtiles")
    code, text = run("add", path, "--name", "ijmond")
    assert code == 0
    assert text.startswith("ijmond: 0.0 MB, 4 zoom levels (9 to 12), 4.45 to 4.80 east, 52.38 to 52.56 north; it is on")
    assert "the map of IJmond within 10 seconds" in text
    assert (tmp_path / "maps" / "ijmond.pmtiles").read_bytes() == path.read_bytes()
    code, text = run("list")
    assert code == 0
    assert text.startswith("ijmond ")
    assert text.endswith("IJmond\n")
    assert run("remove", "ijmond") == (0, "ijmond is removed\n")
    assert run("remove", "ijmond") == (1, "piekwacht: there is no archive ijmond; there are: none\n")
    assert list((tmp_path / "maps").iterdir()) == []


def test_a_file_that_cannot_be_drawn_is_refused_and_changes_nothing(run, tmp_path):
    assert run("add", write_archive(tmp_path / "ijmond.pmtiles"))[0] == 0
    before = (tmp_path / "maps" / "ijmond.pmtiles").read_bytes()
    elsewhere = write_archive(tmp_path / "elsewhere.pmtiles", bounds=(5.0, 50.0, 5.2, 50.2))
    cut = tmp_path / "cut.pmtiles"
    cut.write_bytes(before[:-1])
    large = tmp_path / "large.pmtiles"
    large.write_bytes(before + b"0" * 1_000_000)
    for path, sentence in (
        (elsewhere, "where no area of the registry lies; extract the area, or put it into the registry first"),
        (cut, "is cut: its header tells of"),
        (large, "has 1 MB; the limit is 1 MB: extract a smaller area"),
        (tmp_path / "missing.pmtiles", "cannot be read: No such file or directory"),
    ):
        code, text = run("add", path, "--name", "ijmond")
        assert code == 1
        assert text.startswith(f"piekwacht: {path}")
        assert sentence in text
        assert text.count("\n") == 1
    assert (tmp_path / "maps" / "ijmond.pmtiles").read_bytes() == before


def test_a_name_that_is_no_file_name_is_refused(run, tmp_path):
    path = write_archive(tmp_path / "x.pmtiles")
    assert run("add", path, "--name", "../x") == (
        2,
        "piekwacht: --name ../x: give a name of small letters, digits and hyphens\n",
    )
    assert run("remove", "../piekwacht")[0] == 1


def test_without_a_folder_the_remedy_is_named(database, tmp_path, capsys):
    config = tmp_path / "piekwacht.toml"
    config.write_text(f'[database]\ndsn = "{database}"\n')
    assert main(["basemap", "--config", str(config), "list"]) == 2
    assert "[api.base_map] archive_folder is not set" in capsys.readouterr().err
