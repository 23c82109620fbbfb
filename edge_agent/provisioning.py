"""From firmware_configs/ to the files on one node's SD card: pure text in, checked text out, no secrets.

A node is a board, a kit of sensors and a site. Its key, its certificate and the gateway's public key are made at
enrolment and added to these files; this module does not handle them.
"""

import datetime as dt
import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from edge_agent.collector import BatchSettings
from edge_agent.configuration import ConfigurationError, convert_table, load_toml
from edge_agent.sensor_factory import SensorSettings, create_sensors
from edge_agent.sensor_state import SensorState
from edge_agent.settings import Settings
from edge_agent.wire import Name

CONFIG_FOLDER = "/etc/piekwacht"
SPOOL_PATH = "/var/lib/piekwacht/spool.sqlite"
_PLACEHOLDER = re.compile(r"\{\{ *(\w+) *\}\}")


class Board(Struct, frozen=True, kw_only=True):
    """boards/<name>.toml: `boot` names the snippets of boot/config.txt.d/ that it needs."""

    title: str
    boot: list[str]
    memory_max_mb: Annotated[int, Meta(ge=64)]


class Kit(Struct, frozen=True, kw_only=True):
    """kits/<name>.toml: the sensors as in agent.toml, and the boot snippets that they need."""

    title: str
    boot: list[str] = []
    batch: dict[str, float] = {}
    sensor: Annotated[list[dict[str, Any]], Meta(min_length=1)]


class SiteSettings(Struct, frozen=True, kw_only=True):
    """sites/<name>/site.toml."""

    title: str
    area: Name
    broker_host: str
    broker_port: Annotated[int, Meta(ge=1, le=65535)] = 8883
    gateway_key_file: str = "gateway.pub"
    time_servers: list[str] = []
    timezone: str = "Europe/Amsterdam"


class Overlay(Struct, frozen=True, kw_only=True):
    """Settings that can be changed remotely; absent ones stay as on the card."""

    batch: BatchSettings = BatchSettings()
    sensor: list[SensorSettings] = []


class NodePlan(Struct, frozen=True, kw_only=True):
    """sites/<name>/nodes/<id>.toml. `calibration`: driver -> the serial number of a file in calibration/."""

    board: str
    kit: str
    station: Name
    calibration: dict[str, str] = {}


class Calibration(Struct, frozen=True, kw_only=True):
    """calibration/<serial>.toml: `values` go into the sensor's table in agent.toml."""

    driver: str
    date: dt.date
    reference: str
    valid_until: dt.date
    values: dict[str, float]


def list_nodes(folder: Path) -> list[tuple[str, str]]:
    """Every (site, node) of a firmware_configs folder."""
    return sorted((path.parent.parent.name, path.stem) for path in folder.glob("sites/*/nodes/*.toml"))


def load_plan(folder: Path, site: str, node: str) -> tuple[SiteSettings, NodePlan]:
    """Read the files of a site and one of its nodes. Raises ConfigurationError."""
    return load_site(folder, site), load_toml(folder / "sites" / site / "nodes" / f"{node}.toml", NodePlan)


def load_site(folder: Path, site: str) -> SiteSettings:
    """Read the file of a site. Raises ConfigurationError."""
    return load_toml(folder / "sites" / site / "site.toml", SiteSettings)


def render_node(folder: Path, site: str, node: str) -> dict[str, str]:
    """File name -> text: agent.toml, config.txt, user-data, network-config. Raises ConfigurationError."""
    return render_plan(folder, site, node, load_plan(folder, site, node)[1])


def render_plan(folder: Path, site: str, node: str, plan: NodePlan) -> dict[str, str]:
    """The same for a node whose plan is in no file. Raises ConfigurationError."""
    site_settings = load_site(folder, site)
    board = load_toml(folder / "boards" / f"{plan.board}.toml", Board)
    kit = load_toml(folder / "kits" / f"{plan.kit}.toml", Kit)
    agent = _build_agent_table(node, site_settings, kit, _merge_calibration(folder, kit, plan))
    _check_agent_table(agent, f"{site}/{node}")
    placeholders = {
        "node": node,
        "area": site_settings.area,
        "timezone": site_settings.timezone,
        "time_servers": " ".join(site_settings.time_servers),
        "memory_max_mb": str(board.memory_max_mb),
        "home": CONFIG_FOLDER,
    }
    title = f"# {node} at {plan.station}, {site_settings.title}: {kit.title} on a {board.title}.\n"
    warning = "# Rendered from firmware_configs/; change it there.\n"
    boot = [
        _read_text(folder / "boot/config.txt.d" / f"{name}.txt") for name in dict.fromkeys([*board.boot, *kit.boot])
    ]
    return {
        "agent.toml": title + warning + format_toml(agent),
        "config.txt": title + warning + "\n" + "\n".join(boot),
        "user-data": _fill_template(_read_text(folder / "cloud-init/user-data"), placeholders),
        "network-config": _fill_template(_read_text(folder / "cloud-init/network-config"), placeholders),
    }


def _build_agent_table(node: str, site: SiteSettings, kit: Kit, sensors: list[dict[str, Any]]) -> dict[str, Any]:
    tls = {
        "ca": f"{CONFIG_FOLDER}/ca.pem",
        "certificate": f"{CONFIG_FOLDER}/node.pem",
        "key": f"{CONFIG_FOLDER}/node-tls.key",
    }
    return {
        "node": {"id": node, "area": site.area, "key_file": f"{CONFIG_FOLDER}/node.key"},
        "gateway": {"key_files": [f"{CONFIG_FOLDER}/{site.gateway_key_file}"]},
        "broker": {"host": site.broker_host, "port": site.broker_port, "tls": tls},
        "spool": {"path": SPOOL_PATH},
        **({"batch": kit.batch} if kit.batch else {}),
        "sensor": sensors,
    }


def _merge_calibration(folder: Path, kit: Kit, plan: NodePlan) -> list[dict[str, Any]]:
    drivers = [sensor.get("driver") for sensor in kit.sensor]
    sensors = [dict(sensor) for sensor in kit.sensor]
    for driver, serial in plan.calibration.items():
        calibration = load_toml(folder / "calibration" / f"{serial}.toml", Calibration)
        if driver not in drivers or calibration.driver != driver:
            raise ConfigurationError(
                f"calibration {serial} is for a {calibration.driver}; kit {plan.kit} has no such {driver}"
            )
        sensors[drivers.index(driver)] |= calibration.values
    return sensors


def _check_agent_table(agent: Mapping[str, Any], source: str) -> None:
    """Check as the agent does when it starts: types, unknown keys, and sensors that cannot go together."""
    settings = convert_table(dict(agent), Settings, source=source)
    create_sensors(settings.sensor, SensorState(Path("/nonexistent")))


def check_overlay(toml: str, source: str) -> None:
    """Check that nodes could use this as remote [batch] and [[sensor]]. Raises ConfigurationError with the reason."""
    try:
        table = tomllib.loads(toml)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{source}: not TOML: {error}") from None
    create_sensors(convert_table(table, Overlay, source=source).sensor, SensorState(Path("/nonexistent")))


def build_schema() -> str:
    """JSON Schema of agent.toml, for editors."""
    table = msgspec.json.schema(Settings, schema_hook=lambda kind: {"type": "string"} if kind is Path else {})
    return json.dumps(table, indent=2, sort_keys=True) + "\n"


def format_toml(table: Mapping[str, Any]) -> str:
    """A table of tables as TOML, inner ones inline."""
    lines: list[str] = []
    for name, inner in table.items():
        for entry in inner if isinstance(inner, list) else [inner]:
            lines += ["", f"[[{name}]]" if isinstance(inner, list) else f"[{name}]"]
            lines += [f"{key} = {_format_value(value)}" for key, value in entry.items()]
    return "\n".join(lines) + "\n"


def _format_value(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_format_value(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_format_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)  # strings, numbers and booleans are written alike


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror})") from None


def _fill_template(template: str, placeholders: Mapping[str, str]) -> str:
    def replace(match: re.Match[str]) -> str:
        if match[1] not in placeholders:
            raise ConfigurationError(f"unknown placeholder {{{{ {match[1]} }}}} in a template")
        return placeholders[match[1]]

    return _PLACEHOLDER.sub(replace, template)
