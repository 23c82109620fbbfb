"""Options for the number of kills and the seed: `make faults` runs more kills."""

import pytest

from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.detection.warm_up import warm_up_kernels
from gateway.quality.flagger import Flagger


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=8, help="kills in tests/faults (make faults: 200)")
    parser.addoption("--seed", type=int, default=1, help="what is killed, and when")


@pytest.fixture(scope="session", autouse=True)
def compiled_kernels() -> None:
    """The first start of all compiles the kernels, a minute on a busy machine; no test waits for that."""
    warm_up_kernels(Flagger(), Detector(DetectionSettings()))


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--kills"))


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--seed"))
