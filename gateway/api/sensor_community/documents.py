"""Stations in the form of Sensor.Community's data API: numbers as texts, times in UTC without an offset.

A value is the mean of the newest minute, as `averaging` states. Only minutes of the last five minutes are there, and
only readings that count. Pressure is in pascal, as there.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Raw, json

from gateway.api.data.latest_values import LatestValues
from gateway.api.sensor_community.filters import COUNTRY, SENSOR_TYPE
from gateway.model.timestamps import from_ms, to_ms

VALUE_TYPES: Mapping[str, tuple[str, float]] = {  # value_type and factor, by observed property
    "pm1": ("P0", 1.0),
    "pm2_5": ("P2", 1.0),
    "pm4": ("P4", 1.0),
    "pm10": ("P1", 1.0),
    "temperature": ("temperature", 1.0),
    "humidity": ("humidity", 1.0),
    "pressure": ("pressure", 100.0),
}
MAX_AGE_MS = 300_000


def list_recent(latest_values: LatestValues, now: datetime) -> dict[str, int]:
    """The stations with a valid reading of the last five minutes, each with the time of its newest one, ms UTC."""
    earliest, newest = to_ms(now) - MAX_AGE_MS, {}
    for station, windows in latest_values.windows.items():
        times = [w.newest_ms for name, w in windows.items() if name in VALUE_TYPES and w.newest_ms is not None]
        if times and max(times) >= earliest:
            newest[station] = max(times)
    return newest


def render_station(latest_values: LatestValues, station: str, newest_ms: int) -> Raw:
    """A station as JSON, reused until one of its values changes."""
    encoded = latest_values.community_json.get(station)
    if encoded is None:
        document = build_station(latest_values, station, newest_ms)
        encoded = latest_values.community_json[station] = Raw(json.encode(document))
    return encoded


def build_station(latest_values: LatestValues, station: str, newest_ms: int) -> dict[str, Any]:
    """A station with the means of its newest minutes that end within five minutes of each other."""
    row, windows = latest_values.registry.stations[station], latest_values.windows[station]
    values: list[dict[str, Any]] = []
    for name, (value_type, factor) in VALUE_TYPES.items():
        window = windows.get(name)
        if window is None or window.newest_ms is None or window.newest_ms < newest_ms - MAX_AGE_MS:
            continue
        if window.minute.mean is not None:
            number = row.number * 100 + len(values)
            values.append({"id": number, "value_type": value_type, "value": f"{window.minute.mean * factor:.2f}"})
    return {
        "id": row.number,
        "timestamp": f"{from_ms(newest_ms):%Y-%m-%d %H:%M:%S}",
        "averaging": "1min",
        "location": {
            "id": row.number,
            "latitude": f"{row.latitude:.3f}",
            "longitude": f"{row.longitude:.3f}",
            "altitude": "",
            "country": COUNTRY,
            "exact_location": 0,
            "indoor": 0,
        },
        "sensor": {
            "id": row.number,
            "pin": "1",
            "sensor_type": {"id": 0, "name": SENSOR_TYPE, "manufacturer": "Piekwacht"},
        },
        "sensordatavalues": values,
    }
