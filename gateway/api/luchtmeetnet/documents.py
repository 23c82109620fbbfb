"""Stations, components and hours in the form of the open data API of Luchtmeetnet.nl. Pure.

It must never look official: station numbers begin with `PW-`, the name of the organisation contains "sensoren,
indicatief", and there is no air quality index.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gateway.api.data.registry import PublicRegistry, StationRow
from gateway.model.figures import shorten

FORMULAS: Mapping[str, str] = {"PM10": "pm10", "PM25": "pm2_5"}  # formula -> observed property
NUMBER_PREFIX = "PW-"
PAGE_LENGTH = 100
HOUR = timedelta(hours=1)
_NAMES = {
    "PM10": ("Fijnstof (PM10)", "Particulate matter (PM10)"),
    "PM25": ("Fijnstof (PM2,5)", "Particulate matter (PM2.5)"),
}
Document = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Hour:
    """The mean of an hour at a station. `start`: its beginning."""

    station: str
    formula: str
    start: datetime
    value: float


def build_page(items: Sequence[Any], page: int) -> Document:
    """A page of a list; an empty list has one empty page. Raises ValueError for a page that is not there."""
    last = max(1, -(-len(items) // PAGE_LENGTH))
    if not 1 <= page <= last:
        raise ValueError(f"page: there are {last} pages, not {page}")
    pagination = {
        "current_page": page,
        "first_page": 1,
        "last_page": last,
        "next_page": min(page + 1, last),
        "prev_page": max(page - 1, 1),
        "page_list": list(range(1, last + 1)),
    }
    return {"pagination": pagination, "data": list(items[(page - 1) * PAGE_LENGTH : page * PAGE_LENGTH])}


def organisation_name(operator: str) -> str:
    """The name of the organisation, marked as one with sensors."""
    return f"{operator} (sensoren, indicatief)"


def list_formulas(registry: PublicRegistry, station: str) -> list[str]:
    """The formulas that a station measures."""
    return [formula for formula, name in FORMULAS.items() if registry.datastreams_of(station, name)]


def list_stations(registry: PublicRegistry) -> list[StationRow]:
    """The stations that measure any of it."""
    return [row for row in registry.stations.values() if list_formulas(registry, row.id)]


def build_station_item(row: StationRow) -> Document:
    """A station in the list of all."""
    return {"number": f"{NUMBER_PREFIX}{row.id}", "location": row.name}


def build_station(registry: PublicRegistry, row: StationRow, operator: str, root: str) -> Document:
    """A station with its place."""
    area = registry.areas[row.area]
    text = {
        "NL": "Meting met sensoren, indicatief. Geen officieel meetpunt.",
        "EN": "Measured by sensors, indicative. Not an official monitoring station.",
    }
    return {
        "data": {
            "number": f"{NUMBER_PREFIX}{row.id}",
            "location": row.name,
            "type": "sensor",
            "organisation": organisation_name(operator),
            "municipality": None,
            "province": area.name,
            "year_start": None,
            "url": f"{root}/stations/{row.id}",
            "components": list_formulas(registry, row.id),
            "geometry": {"type": "point", "coordinates": [row.longitude, row.latitude]},
            "description": text,
        }
    }


def build_component(formula: str) -> Document:
    """A component with its names."""
    dutch, english = _NAMES[formula]
    return {"formula": formula, "name": {"NL": dutch, "EN": english}}


def build_organisation(operator: str) -> Document:
    """The only organisation."""
    name = organisation_name(operator)
    return {"id": 1, "name": {"NL": name, "EN": f"{operator} (sensors, indicative)"}}


def build_measurement(hour: Hour) -> Document:
    """An hour as it is there: its time is the end of the hour."""
    return {
        "station_number": f"{NUMBER_PREFIX}{hour.station}",
        "formula": hour.formula,
        "value": shorten(hour.value),
        "timestamp_measured": (hour.start + HOUR).isoformat(timespec="seconds"),
    }
