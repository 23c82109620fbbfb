"""Status and health messages of a node: online or offline (retained, and the last will), and its condition."""

import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from edge_agent import clock
from edge_agent.remote_config import RemoteState
from edge_agent.session import PublisherCounts
from edge_agent.spool import Renewal, SpoolDepth

_TEMPERATURE = Path("/sys/class/thermal/thermal_zone0/temp")


def encode_status(*, online: bool, version: str, configuration: str, remote_state: RemoteState) -> bytes:
    """The status message: the hash of the configuration in force, and the outcome of remote ones."""
    content: dict[str, Any] = {"v": 1, "online": online, "version": version, "configuration": configuration}
    if remote_state != RemoteState():
        content["remote"] = {
            "version": remote_state.version,
            "on_trial": remote_state.trial_version or None,
            "refused": remote_state.refused_version or None,
            "error": remote_state.error,
        }
    return msgspec.json.encode(content)


def encode_health(
    folder: Path,
    depth: SpoolDepth,
    counts: PublisherCounts,
    sensors: dict[str, str],
    *,
    refused_values: dict[str, dict[str, int]],
    spool_problem: str | None,
    renewal: Renewal | None,
    certificate_until: datetime | None,
) -> bytes:
    """The health message. `sensors`: name -> "ok" or a sentence about the fault.

    `refused_values`: sensor -> reason -> values that it refused since the start.
    """
    moment = clock.now()
    content: dict[str, Any] = {
        "v": 1,
        "at": moment.wall,
        "clock": moment.clock,
        "uptime_ms": moment.mono,
        "spool": depth,
        "spool_trouble": spool_problem,
        "renewal": renewal,
        "disk_free_mb": shutil.disk_usage(folder).free // 2**20,
        "cpu_celsius": _read_cpu_celsius(),
        "publisher": counts,
        "sensors": sensors,
        "refused_values": refused_values,
        "certificate_until": certificate_until,
    }
    return msgspec.json.encode(content)


def _read_cpu_celsius() -> float | None:
    try:
        return int(_TEMPERATURE.read_text()) / 1000
    except (OSError, ValueError):
        return None
