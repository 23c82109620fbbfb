"""Every threat in the threat model names tests that exist, so that no defence is only a statement."""

import ast
import re

import pytest

from tests.deploy.conftest import ROOT

PAGE = (ROOT / "docs/operator/threats.md").read_text()
ROWS = [line for line in PAGE.splitlines() if re.match(r"\| \*\*[STRIDE]\*\* ", line)]


def find_file(name):
    """The one file of tests with this path or name."""
    paths = [ROOT / name] if "/" in name else list((ROOT / "tests").rglob(name))
    assert len(paths) == 1, f"{name}: {len(paths)} files have this name; write its path"
    return paths[0]


def read_tests(path):
    """Names of all test functions of a file."""
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def split_tests(row):
    """Yield (file, test) of the last column of a row."""
    *_, cell, _ = row.split("|")
    for part in cell.split(";"):
        match = re.match(r" *`([\w/]+\.py)`: ", part)
        if match:
            yield from ((match[1], name) for name in re.findall(r"`(test_\w+)`", part))


def test_the_page_has_the_threats_of_every_letter_and_boundary():
    assert len(ROWS) >= 45
    assert {row[4] for row in ROWS} == set("STRIDE")
    assert len(re.findall(r"^## ", PAGE, re.MULTILINE)) == 7


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[6:60])
def test_a_threat_names_tests_that_exist(row):
    named = list(split_tests(row))
    assert named, "a row without a test"
    for file, name in named:
        assert name in read_tests(find_file(file)), f"{file} has no {name}"
    mentioned = set(re.findall(r"`(test_\w+)`", row))
    assert mentioned == {name for _, name in named}, "a test without its file"


def test_a_row_with_an_unknown_test_would_fail():
    (file, name), *_ = split_tests("| x | y | `test_threats.py`: `test_that_nobody_wrote` |")
    assert name not in read_tests(find_file(file))
