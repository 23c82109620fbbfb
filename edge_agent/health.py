"""What a node says of itself: online or not (retained, and the last will), and how it is."""

import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from edge_agent import clock
from edge_agent.remote_config import Standing
from edge_agent.session import Counts
from edge_agent.spool import Depth

_TEMPERATURE = Path("/sys/class/thermal/thermal_zone0/temp")


def status(*, online: bool, version: str, configuration: str, standing: Standing) -> bytes:
    """The status message: the hash of the configuration in force, and what became of those from afar."""
    said: dict[str, Any] = {"v": 1, "online": online, "version": version, "configuration": configuration}
    if standing != Standing():
        said["remote"] = {
            "version": standing.version,
            "on_trial": standing.trial_version or None,
            "refused": standing.refused_version or None,
            "error": standing.error,
        }
    return msgspec.json.encode(said)


def health(
    folder: Path,
    depth: Depth,
    counts: Counts,
    sensors: dict[str, str],
    *,
    trouble: str | None,
    certificate_until: datetime | None,
) -> bytes:
    """The health message. `sensors`: name -> "ok" or what is wrong, in words; `trouble`: with the spool."""
    moment = clock.now()
    said: dict[str, Any] = {
        "v": 1,
        "at": moment.wall,
        "clock": moment.clock,
        "uptime_ms": moment.mono,
        "spool": depth,
        "spool_trouble": trouble,
        "disk_free_mb": shutil.disk_usage(folder).free // 2**20,
        "cpu_celsius": _cpu_celsius(),
        "publisher": counts,
        "sensors": sensors,
        "certificate_until": certificate_until,
    }
    return msgspec.json.encode(said)


def _cpu_celsius() -> float | None:
    try:
        return int(_TEMPERATURE.read_text()) / 1000
    except (OSError, ValueError):
        return None
