"""The table of layers in docs/architecture.md is the import contract, and SQL has its values as parameters."""

import ast
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


def find_composed_statements(source: str) -> list[int]:
    """Lines of calls that execute a statement which is put together from texts; psycopg.sql composes safely."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"execute", "executemany", "copy"}
        and node.args
        and (
            isinstance(node.args[0], ast.JoinedStr | ast.BinOp)
            or (
                isinstance(node.args[0], ast.Call)
                and isinstance(getattr(node.args[0].func, "value", None), ast.Constant)
            )
        )
    ]


def test_sql_is_in_files_and_values_are_parameters():
    for package in COLUMNS:
        for path in (REPO / package).rglob("*.py"):
            lines = find_composed_statements(path.read_text())
            assert not lines, f"{path.relative_to(REPO)}, lines {lines}: pass values as parameters"


@pytest.mark.parametrize("statement", ["f'SELECT {x}'", "'SELECT ' + x", "'SELECT %s' % x", "'SELECT {}'.format(x)"])
def test_the_search_for_composed_statements_sees_each_way(statement):
    assert find_composed_statements(f"connection.execute({statement})") == [1]
    assert find_composed_statements("connection.execute(QUERIES['x'], values)") == []
