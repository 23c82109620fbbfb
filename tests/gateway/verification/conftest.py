import pytest

from tests.gateway.verification.world import World


@pytest.fixture(scope="session")
def world():
    return World()
