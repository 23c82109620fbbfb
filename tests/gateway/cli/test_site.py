"""`piekwacht site`: it prints the entries that it stored in the registry."""

from pathlib import Path

import pytest

import gateway.demo
from gateway.__main__ import main


@pytest.fixture
def run(database, tmp_path, capsys):
    config = tmp_path / "piekwacht.toml"
    config.write_text(f'[database]\ndsn = "{database}"\n')

    def run(*words):
        code = main(["site", "--config", str(config), *map(str, words)])
        output = capsys.readouterr()
        return code, output.out + output.err

    return run


def test_show_prints_every_entry_that_apply_stored(run):
    assert run("show") == (0, "the registry is empty; `piekwacht site apply` puts a site file into it\n")
    site_path = Path(gateway.demo.__file__).with_name("site.toml")
    assert run("apply", site_path) == (0, "in the registry of ijmond: 12 stations and 0 nodes of the file\n")
    code, text = run("show")
    assert code == 0
    assert text.startswith("ijmond: IJmond")
    assert text.count("  station  ") == 12
    assert text.count("  site     ") == site_path.read_text().count("[[site]]") > 0
