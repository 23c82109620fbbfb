"""Options of the long runs."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--copy-runs", type=int, default=10, help="runs of two copies of a card")
    parser.addoption("--copy-seed", type=int, default=1, help="seed of the first of these runs")
