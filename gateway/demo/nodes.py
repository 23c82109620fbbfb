"""The demo's nodes: real `piekwacht-agent` processes, each with its own key, spool and log."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from edge_agent.wire import MOBILE_PREFIX, Signer, Verifier
from gateway.demo.stations import DemoStation
from gateway.demo.world import PROPERTIES, StationWorld
from gateway.enrolment.site_file import MobileTable, StationTable
from gateway.mqtt.settings import BrokerSettings
from gateway.system.child_process import Child

HEAD_START = timedelta(days=1)  # how far back a faster world begins


@dataclass(frozen=True, kw_only=True)
class DemoNode:
    """One node: its identity, its place, and where it keeps its things."""

    id: str
    station: StationTable | MobileTable
    key: Signer
    folder: Path

    @property
    def readings_log(self) -> Path:
        """The node's own log of every reading it made: the oracle of the account."""
        return self.folder / "generated.jsonl"

    def start(self) -> Child:
        """Run the agent."""
        command: list[str | Path] = [sys.executable, "-m", "edge_agent", "run", "--config", self.folder / "agent.toml"]
        return Child(f"node {self.id}", command, log=self.folder / "agent.log")


def create_nodes(stations: Sequence[DemoStation], folder: Path) -> list[DemoNode]:
    """Give each station a node with a folder and a key; those of an earlier demo in this folder stay."""
    nodes = []
    for number, station in enumerate(stations, 1):
        id_ = f"ijm-{number:03}"
        node_folder = folder / id_
        node_folder.mkdir(parents=True, exist_ok=True)
        key = load_or_create_key(node_folder / "node.key", id_)
        nodes.append(DemoNode(id=id_, station=station.table, key=key, folder=node_folder))
    return nodes


def create_mobile_nodes(tables: Sequence[MobileTable], folder: Path) -> list[DemoNode]:
    """Give each station that moves a node, as `create_nodes` does."""
    nodes = []
    for table in tables:
        id_ = table.id.removeprefix(MOBILE_PREFIX)
        node_folder = folder / id_
        node_folder.mkdir(parents=True, exist_ok=True)
        key = load_or_create_key(node_folder / "node.key", id_)
        nodes.append(DemoNode(id=id_, station=table, key=key, folder=node_folder))
    return nodes


def write_agent_settings(
    nodes: Sequence[DemoNode], sensors: Sequence[str], broker: BrokerSettings, gateway: Verifier
) -> None:
    """Write agent.toml of each node; `sensors` has its table `[[sensor]]`."""
    for node, sensor in zip(nodes, sensors, strict=True):
        settings = _AGENT_TEMPLATE.format(node=node.id, gateway=gateway, port=broker.port)
        (node.folder / "agent.toml").write_text(settings + sensor)


def load_or_create_key(path: Path, name: str) -> Signer:
    """The key in this file, made where there is none yet."""
    if path.exists():
        return Signer.parse(path.read_text())
    signer = Signer.generate(name)
    path.touch(mode=0o600)
    path.write_text(signer.export() + "\n")
    return signer


_AGENT_TEMPLATE = """# Written by `piekwacht demo`.
[node]
id = "{node}"
area = "ijmond"
key_file = "node.key"

[gateway]
keys = ["{gateway}"]

[broker]
host = "127.0.0.1"
port = {port}

[spool]
path = "spool.sqlite"

[batch]
interval_seconds = 1.0
drain_seconds = 20

[log]
generated = "generated.jsonl"

"""


def describe_simulated_sensors(worlds: Sequence[StationWorld], *, seed: int, speed: float) -> list[str]:
    """Return `[[sensor]]` of each station's simulated air."""
    start = "now" if speed == 1 else f"{datetime.now(UTC) - HEAD_START:%Y-%m-%dT%H:%M:%SZ}"
    return [_describe_simulated_sensor(world, seed + number, start, speed) for number, world in enumerate(worlds, 1)]


def _describe_simulated_sensor(world: StationWorld, seed: int, start: str, speed: float) -> str:
    lines = [
        "[[sensor]]",
        'driver = "simulated"',
        f"properties = {list(PROPERTIES)}",
        f"seed = {seed}",
        "interval_seconds = 1.0",
        f'start = "{start}"',
        f"speed = {speed}",
        'truth = "truth.json"',
    ]
    for wind in world.winds:
        lines += [
            "[[sensor.wind]]",
            f"start_seconds = {wind.start_seconds:g}",
            f"direction = {wind.direction:g}",
            f"speed = {wind.speed:g}",
        ]
    for plume in world.plumes:
        lines += [
            "[[sensor.plume]]",
            f"start_seconds = {plume.start_seconds:g}",
            f"duration_seconds = {plume.duration_seconds:g}",
            f"excess = {{ {', '.join(f'{name} = {excess:.1f}' for name, excess in plume.excess.items())} }}",
        ]
    for place in world.places:
        lines += [
            "[[sensor.place]]",
            f"start_seconds = {place.start_seconds:g}",
            f"latitude = {place.latitude:.6f}",
            f"longitude = {place.longitude:.6f}",
            f"altitude = {place.altitude:g}",
        ]
    return "\n".join(lines) + "\n"


def describe_replay_sensors(stations: Sequence[DemoStation], recording: Path, speed: float) -> list[str]:
    """Return `[[sensor]]` of each station, which replays the recording."""
    return [
        f"""[[sensor]]
driver = "replay"
file = "{recording.resolve()}"
station = "{station.recorded_name}"
speed = {speed}
stamps = "now"
"""
        for station in stations
    ]
