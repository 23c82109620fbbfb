"""Links and commands in the documents for operators exist, and the entry for the software catalogue is valid."""

import json
import re
import shlex
import subprocess
import sys

import pytest
import yaml

from gateway.__main__ import build_parser
from tests.deploy.conftest import DEPLOY, ROOT

PAGES = [*sorted((ROOT / "docs/operator").glob("*.md")), ROOT / "SECURITY.md", ROOT / "CHANGELOG.md"]
# of the standard's own vocabulary (publiccode.yml, docs/en/categories-list.rst and scope-list.rst), those that fit us
CATEGORIES = {"data-analytics", "data-collection", "data-visualization", "geographic-information-systems"}
SCOPES = {"environment", "healthcare", "local-authorities"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_and_every_named_test_exists(page):
    text = page.read_text()
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        if not re.match(r"https?:|mailto:", target):
            assert (page.parent / target).exists(), target
    for named in re.findall(r"`(tests/[\w/.]+|deploy/[\w/.]+)`", text):
        if "secrets" not in named:
            assert (ROOT / named).exists(), named
    for named in re.findall(r"`(test_\w+\.py)`", text):
        assert list((ROOT / "tests").rglob(named)), named


def commands():
    for page in PAGES:
        for line in re.findall(r"^    (.*)$", page.read_text().replace("\\\n", ""), re.MULTILINE):
            match = re.match(r"(?:sudo -u piekwacht(?:-witness)? )?(?:\$?piekwacht) (.*)", line)
            if match:
                yield pytest.param(match[1], id=f"{page.stem}: {match[1][:50]}")


@pytest.mark.parametrize("line", list(commands()))
def test_every_command_in_the_guide_exists(line):
    words = shlex.split(line, comments=True)
    assert callable(build_parser().parse_args(words).run)


def test_the_catalogue_entry_is_valid():
    entry = yaml.safe_load((ROOT / "publiccode.yml").read_text())
    needed = {"publiccodeYmlVersion", "name", "url", "platforms", "developmentStatus", "softwareType", "description"}
    assert needed | {"legal", "maintenance", "localisation"} <= set(entry)
    assert entry["legal"]["license"] == "EUPL-1.2"
    assert entry["softwareType"] == "standalone/iot"
    assert set(entry["categories"]) <= CATEGORIES
    assert set(entry["intendedAudience"]["scope"]) <= SCOPES
    assert set(entry["description"]) == set(entry["localisation"]["availableLanguages"])
    for language in entry["description"].values():
        assert len(language["shortDescription"]) <= 150
        assert 150 <= len(language["longDescription"]) <= 10_000
        assert language["features"]


def test_every_licence_is_compatible_with_ours():
    done = subprocess.run([sys.executable, DEPLOY / "supply/licences"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n| ") > 40


@pytest.mark.slow
def test_the_list_of_components_names_everything_that_a_server_carries():
    done = subprocess.run([DEPLOY / "supply/sbom"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    listed = {(component["name"], component["version"]) for component in json.loads(done.stdout)["components"]}
    locked = re.findall(r"^([a-z0-9._-]+)==([^ ;]+)", (DEPLOY / "gateway.lock").read_text(), re.MULTILINE)
    assert set(locked) <= listed
