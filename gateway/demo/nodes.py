"""The demo's nodes: real `piekwacht-agent` processes, each with its own key, spool and log."""

import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from edge_agent.wire import Signer, Verifier
from gateway.demo.stations import DemoStation
from gateway.enrolment.site_file import StationTable
from gateway.mqtt.settings import BrokerSettings
from gateway.system.child_process import Child

_PROPERTIES = (
    "pm1",
    "pm2_5",
    "pm4",
    "pm10",
    "voc_raw",
    "nox_raw",
    "temperature",
    "humidity",
    "wind_speed",
    "wind_direction",
)
_SHARES = {"pm1": 0.6, "pm2_5": 1.0, "pm4": 1.3, "pm10": 2.0, "voc_raw": -25.0}  # SRAW ticks fall when VOC rises
_FIRST_PLUME_SECONDS = 28  # seconds: after the detector's warm-up of 24 readings
_PLUME_INTERVAL_SECONDS = 75
_PLUME_COUNT = 48  # an hour's worth of them over all nodes
_HEAD_START = timedelta(days=1)  # how far back a faster world begins


@dataclass(frozen=True, kw_only=True)
class DemoNode:
    """One node: its identity, its place, and where it keeps its things."""

    id: str
    station: StationTable
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


def plan_nodes(
    stations: Sequence[DemoStation],
    *,
    folder: Path,
    broker: BrokerSettings,
    gateway: Verifier,
    speed: float,
    replay: Path | None,
) -> list[DemoNode]:
    """Keys and agent.toml for each station."""
    nodes = []
    for number, station in enumerate(stations):
        id_ = f"ijm-{number + 1:03}"
        node_folder = folder / id_
        node_folder.mkdir(parents=True, exist_ok=True)
        node = DemoNode(
            id=id_, station=station.table, key=load_or_create_key(node_folder / "node.key", id_), folder=node_folder
        )
        sensor = (
            _simulated_sensor(number, len(stations), speed)
            if replay is None
            else _replay_sensor(station, replay, speed)
        )
        (node_folder / "agent.toml").write_text(
            _AGENT_TEMPLATE.format(node=id_, gateway=gateway, port=broker.port) + sensor
        )
        nodes.append(node)
    return nodes


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


def _simulated_sensor(number: int, count: int, speed: float) -> str:
    start = "now" if speed == 1 else f"{datetime.now(UTC) - _HEAD_START:%Y-%m-%dT%H:%M:%SZ}"
    lines = [
        "[[sensor]]",
        'driver = "simulated"',
        f"properties = {list(_PROPERTIES)}",
        f"seed = {number + 1}",
        "interval_seconds = 1.0",
        f'start = "{start}"',
        f"speed = {speed}",
        'truth = "truth.json"',
    ]
    for begin, excess in _plan_plumes(number, count):
        lines += [
            "[[sensor.plume]]",
            f"start_seconds = {begin}",
            "duration_seconds = 24",
            f"excess = {{ {', '.join(f'{name} = {share * excess:.1f}' for name, share in _SHARES.items())} }}",
        ]
    return "\n".join(lines) + "\n"


def _plan_plumes(number: int, count: int) -> list[tuple[int, float]]:
    """(start in s, excess of PM2.5 in ug/m3) of this node's plumes; the same in every demo of this size."""
    rng = random.Random(20)  # noqa: S311 - a fixed play, no secret
    plumes = []
    for k in range(_PLUME_COUNT):
        centre, excess = rng.randrange(count) if k else 0, rng.uniform(25, 70)
        for neighbour, share in ((centre, 1.0), ((centre + 1) % count, 0.45)):
            if neighbour == number:
                plumes.append(
                    (_FIRST_PLUME_SECONDS + k * _PLUME_INTERVAL_SECONDS + 4 * (neighbour != centre), share * excess)
                )
    return plumes


def _replay_sensor(station: DemoStation, recording: Path, speed: float) -> str:
    return f"""[[sensor]]
driver = "replay"
file = "{recording.resolve()}"
station = "{station.recorded_name}"
speed = {speed}
stamps = "now"
"""
