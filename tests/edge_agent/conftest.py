"""Fixtures: a node, and fake gateways with its key."""

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
    """start_gateway(port) -> a FakeGateway with the key of the node."""
    gateways: list[FakeGateway] = []

    def start_gateway(port: int) -> FakeGateway:
        gateways.append(FakeGateway(port, node.key.verifier, node.gateway))
        return gateways[-1]

    yield start_gateway
    for gateway in gateways:
        gateway.close()
