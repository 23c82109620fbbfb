"""Options for the number of kills and the seed: `make faults` runs more kills."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=8, help="kills in tests/faults (make faults: 200)")
    parser.addoption("--seed", type=int, default=1, help="what is killed, and when")


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--kills"))


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--seed"))
