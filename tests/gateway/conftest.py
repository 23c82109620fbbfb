import pytest

from tests.gateway.enrolled_node import EnrolledNode, enrol_node


@pytest.fixture
def node(database) -> EnrolledNode:
    """One enrolled node in a fresh database."""
    return enrol_node(database)
