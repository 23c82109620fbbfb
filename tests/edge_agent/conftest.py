"""Every test gets its own node, broker and ear."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.edge_agent.running_agent import FakeGateway, NodeProcess


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeProcess]:
    node = NodeProcess(tmp_path / "node")
    yield node
    node.close()


@pytest.fixture
def start_gateway(node: NodeProcess) -> Iterator[Callable[[int], FakeGateway]]:
    """listen(port) -> an Ear that knows the node."""
    ears: list[FakeGateway] = []

    def start_gateway(port: int) -> FakeGateway:
        ears.append(FakeGateway(port, node.key.verifier, node.gateway))
        return ears[-1]

    yield start_gateway
    for ear in ears:
        ear.close()
