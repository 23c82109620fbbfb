"""Stations of the demo's nodes: those of its site file, or those of a recording."""

import csv
import gzip
import re
from dataclasses import dataclass
from pathlib import Path

from edge_agent.configuration import ConfigurationError
from gateway.enrolment import site_file

SITE_PATH = Path(__file__).with_name("site.toml")


@dataclass(frozen=True, kw_only=True)
class DemoStation:
    """Station of one node; `recorded` is its name in the recording that the node replays."""

    table: site_file.StationTable
    recorded_name: str | None = None


def read_site() -> site_file.SiteTable:
    """Return the facility that the demo watches."""
    return site_file.read_site_file(SITE_PATH).site[0]


def choose_stations(count: int, replay: Path | None) -> list[DemoStation]:
    """Return the first `count` stations; with a recording, one for each of its first stations."""
    site_stations = site_file.read_site_file(SITE_PATH).station
    if not 1 <= count <= len(site_stations):
        raise ConfigurationError(f"--nodes {count}: the demo's world has 1 to {len(site_stations)} stations")
    if replay is None:
        return [DemoStation(table=site_station) for site_station in site_stations[:count]]
    return [
        DemoStation(
            table=site_file.StationTable(
                id=re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-"),
                name=name,
                latitude=site_station.latitude,
                longitude=site_station.longitude,
            ),
            recorded_name=name,
        )
        for name, site_station in zip(read_recorded_stations(replay)[:count], site_stations, strict=False)
    ]


def read_recorded_stations(recording: Path) -> list[str]:
    """Return the stations of a CSV recording in order of first appearance. Raises ConfigurationError."""
    try:
        with gzip.open(recording, "rt") if recording.suffix == ".gz" else recording.open() as file:
            names = list(dict.fromkeys(row["station"] for row in csv.DictReader(file)))
    except (OSError, KeyError, ValueError) as error:
        raise ConfigurationError(f"--replay {recording}: not a recording with a column `station` ({error})") from None
    if not names:
        raise ConfigurationError(f"--replay {recording}: the recording is empty")
    return names
