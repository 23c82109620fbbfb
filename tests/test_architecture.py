"""The table of layers in docs/architecture.md says what import-linter checks."""

import re
import tomllib
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]
COLUMNS = {"gateway": 1, "alerting": 2, "edge_agent": 3}


def read_contract(package: str) -> list[set[str]]:
    contracts = tomllib.loads((REPO / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (
        contract["layers"]
        for contract in contracts
        if contract["type"] == "layers" and contract.get("containers") == [package]
    )
    return [set(re.split(r" [|:] ", row)) for row in layers]


def read_table(column: int) -> list[set[str]]:
    text = (REPO / "docs" / "architecture.md").read_text()
    rows = [line.strip("|").split("|") for line in text.splitlines() if re.match(r"\| \d+ \|", line)]
    cells = [row[column].strip().replace("`", "") for row in rows]
    return [set(cell.split(", ")) for cell in cells if cell]


@pytest.mark.parametrize("package", COLUMNS)
def test_the_table_of_layers_is_the_contract(package):
    assert read_table(COLUMNS[package]) == read_contract(package)
