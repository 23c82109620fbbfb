import pytest

from tests.gateway.enrolled_node import Enrolled, enrol


@pytest.fixture
def node(database) -> Enrolled:
    """One enrolled node in a fresh database."""
    return enrol(database)
