"""Options of `make attack`, and the site that all attacks share."""

import pytest

from tests.attack.__main__ import ATTACKS
from tests.attack.monitor import Monitor
from tests.attack.site import AttackedSite
from tests.server_folder import server_folder


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="one attack after the other, with times judged")
    parser.addoption("--attack-seconds", type=float, help="length of each attack: 20 with --long, else 5")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each attack alone with --long, else all at once."""
    if "attacks" in metafunc.fixturenames:
        is_long = metafunc.config.getoption("--long")
        metafunc.parametrize("attacks", [[name] for name in ATTACKS] if is_long else [[*ATTACKS]], ids=" ".join)


@pytest.fixture(scope="module")
def attack_time(request: pytest.FixtureRequest) -> tuple[float, bool]:
    """Seconds of each attack, and whether times are judged."""
    is_long = bool(request.config.getoption("--long"))
    return request.config.getoption("--attack-seconds") or (20.0 if is_long else 5.0), is_long


@pytest.fixture(scope="module")
def monitor():
    """The monitor of a running site."""
    with server_folder("piekwacht-attack-", mode=0o711) as folder, AttackedSite(folder) as site:
        site.start()
        yield Monitor(site)
