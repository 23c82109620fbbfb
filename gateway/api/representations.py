"""Rows of the database as the JSON the public reads: camelCase, RFC 3339 in UTC, unit beside every figure."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from edge_agent.wire import Flag

LICENCE = "https://creativecommons.org/licenses/by/4.0/"


_EVENT = (
    "id",
    "revision",
    "change",
    "kind",
    "area",
    "station",
    "stationName",
    "observedProperty",
    "unit",
    "severity",
    "onset",
    "peakAt",
    "detectedAt",
    "end",
    "peak",
    "background",
    "excess",
    "confidence",
    "reasons",
    "detector",
    "detectedLate",
    "changedAt",
)


def instant(at: datetime | None) -> str | None:
    """RFC 3339 in UTC with milliseconds and Z."""
    return None if at is None else at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def flag_names(bits: int) -> list[str]:
    """The names of the flags that are set."""
    return [str(flag.name).lower() for flag in Flag if bits & flag]


def newest(row: Sequence[Any]) -> dict[str, object]:
    """A row of `newest`: the newest minute of one datastream."""
    _, _, unit, observed_at, mean, largest, count, flags = row
    return {
        "unit": unit,
        "observedAt": instant(observed_at),
        "averagingSeconds": 60,
        "mean": mean,
        "max": largest,
        "validCount": count,
        "flags": flag_names(flags),
        "corrected": False,
    }


def station(row: Sequence[Any], values: dict[str, object]) -> dict[str, object]:
    """A row of `stations` as a GeoJSON Feature (CRS84)."""
    id_, area, name, latitude, longitude = row
    return {
        "type": "Feature",
        "id": id_,
        "geometry": {"type": "Point", "coordinates": [longitude, latitude]},
        "properties": {"id": id_, "name": name, "area": area, "newest": values},
    }


def event(row: Sequence[Any]) -> dict[str, object]:
    """A row of `events`."""
    found = dict(zip(_EVENT, row, strict=True))
    return {name: instant(value) if isinstance(value, datetime) else value for name, value in found.items()}


def raw(row: Sequence[Any]) -> dict[str, object]:
    """A row of `raw`: one observation with the signed batch it came in."""
    _, observed_at, value, flags, _, node, incarnation, seq = row
    return {
        "observedAt": instant(observed_at),
        "value": value,
        "flags": flag_names(flags),
        "batch": {"node": node, "incarnation": incarnation, "seq": seq},
    }


def mean(row: Sequence[Any]) -> dict[str, object]:
    """A row of `means_*`."""
    _, bucket, count, valid, average, smallest, largest, flags = row
    return {
        "start": instant(bucket),
        "count": count,
        "validCount": valid,
        "mean": average,
        "min": smallest,
        "max": largest,
        "flags": flag_names(flags),
    }
