"""Every test gets its own node, broker and ear."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.edge_agent.running_agent import Ear, Node


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path / "node")
    yield node
    node.close()


@pytest.fixture
def listen(node: Node) -> Iterator[Callable[[int], Ear]]:
    """listen(port) -> an Ear that knows the node."""
    ears: list[Ear] = []

    def listen(port: int) -> Ear:
        ears.append(Ear(port, node.key.verifier, node.gateway))
        return ears[-1]

    yield listen
    for ear in ears:
        ear.close()
