"""What operators want nodes to be, each version told once a connection: the broker retains it. Pure."""

from collections.abc import Mapping, Sequence

from edge_agent.wire import Desired
from gateway.model.registry import Node


class Wishes:
    """Remembers what one connection was told; `areas` empty: every area."""

    def __init__(self, areas: Sequence[str]) -> None:
        self._areas = set(areas)
        self._seen: Mapping[str, Node] = {}
        self._told: dict[str, int] = {}

    def new(self, nodes: Mapping[str, Node]) -> list[tuple[Desired, str]]:
        """(what to tell, area), nothing as long as the registry is the same."""
        if nodes is self._seen:
            return []
        self._seen = nodes
        ours = [n for n in nodes.values() if n.desired and not n.revoked and (not self._areas or n.area in self._areas)]
        wishes = [(n.desired, n.area) for n in ours if n.desired and self._told.get(n.id) != n.desired.version]
        self._told |= {desired.node: desired.version for desired, _ in wishes}
        return wishes
