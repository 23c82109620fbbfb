"""Desired configurations of nodes: each version is published once per connection, as the broker retains it. Pure."""

from collections.abc import Mapping, Sequence

from edge_agent.wire import DesiredConfig
from gateway.model.registry import Node


class DesiredConfigTracker:
    """Records which versions were published on one connection; `areas` empty: every area."""

    def __init__(self, areas: Sequence[str]) -> None:
        self._areas = set(areas)
        self._last_nodes: Mapping[str, Node] = {}
        self._published_versions: dict[str, int] = {}

    def collect_changes(self, nodes: Mapping[str, Node]) -> list[tuple[DesiredConfig, str]]:
        """Return (configuration to publish, area); empty as long as the registry is the same."""
        if nodes is self._last_nodes:
            return []
        self._last_nodes = nodes
        own_nodes = [
            n
            for n in nodes.values()
            if n.desired_config and not n.revoked and (not self._areas or n.area in self._areas)
        ]
        changed = [
            (n.desired_config, n.area)
            for n in own_nodes
            if n.desired_config and self._published_versions.get(n.id) != n.desired_config.version
        ]
        self._published_versions |= {desired.node: desired.version for desired, _ in changed}
        return changed
