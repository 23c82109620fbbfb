"""A recording played again, value for value: for tests, for back-filling, and for showing a day in a minute.

Columns `station,property,time,value` and, where there, the covariates `rh,temperature,wind_speed,
wind_direction`; time is RFC 3339 or epoch seconds. Values arrive bit for bit as recorded.
"""

import csv
import gzip
import math
import threading
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from edge_agent import clock
from edge_agent.configuration import ConfigurationError
from edge_agent.sensor_models import ANY, MODELS, find_model
from edge_agent.sensors.judgement import judge_values
from edge_agent.sensors.sensor import Reading, historical_reading

_COVARIATES = {
    "rh": "humidity",
    "temperature": "temperature",
    "wind_speed": "wind_speed",
    "wind_direction": "wind_direction",
}

Row = tuple[int, str, float]  # ms UTC, property, value


class ReplaySettings(Struct, frozen=True, kw_only=True, tag_field="driver", tag="replay"):
    """`driver = "replay"`: one station of a recording.

    file     CSV, also gzipped: station,property,time,value[,rh,temperature,wind_speed,wind_direction]
    station  station of the recording
    speed    times faster than recorded; 0: as fast as possible
    stamps   "recorded": the original times; "now": shifted so that the last reading has the time at which it is played,
             and none lies in the future
    model    sensor model of the recording, such as "sds011" or "knmi": its ranges and sentinels flag the values;
             default: bounds that follow from the quantity
    first    play from this moment on (RFC 3339 or epoch seconds)
    last     play up to and including this moment
    """

    file: Path
    station: str
    speed: Annotated[float, Meta(ge=0)] = 1.0
    stamps: Literal["recorded", "now"] = "recorded"
    model: str | None = None
    first: str | None = None
    last: str | None = None

    def __post_init__(self) -> None:
        if self.model is not None and find_model(self.model) is None:
            raise ValueError(f"model: the table of sensor models has no {self.model!r}; it has {', '.join(MODELS)}")
        if self.stamps == "now" and 0 < self.speed < 1:
            raise ValueError('a replay slower than recorded cannot have stamps = "now": they would lie in the future')

    def create_sensor(self) -> "ReplaySensor":
        """Read the recording; ConfigurationError where it is none or the station is not in it."""
        return ReplaySensor(self)


class ReplaySensor:
    """One station of a recording, as a sensor."""

    def __init__(self, settings: ReplaySettings) -> None:
        self.name, self.state = f"replay {settings.station}", "ok"
        self._settings = settings
        self._rows = _select_window(_read_rows(settings.file, settings.station), settings)
        self.properties, self.hang_timeout = sorted({name for _, name, _ in self._rows}), math.inf
        if not self._rows:
            raise ConfigurationError(
                f"{settings.file}: nothing recorded at station {settings.station!r} in this window"
            )

    def readings(self, stop: threading.Event) -> Iterator[Reading]:
        """Each moment of the recording when its turn comes."""
        first, last = self._rows[0][0], self._rows[-1][0]
        started, speed = clock.now(), self._settings.speed
        model = find_model(self._settings.model or "") or ANY
        length = (last - first) / speed if speed else 0.0
        shift = round(started.wall + length - last) if self._settings.stamps == "now" else 0
        for time, rows in groupby(self._rows, key=itemgetter(0)):
            due = started.mono + (time - first) / speed if speed else 0.0
            if stop.wait(max(0.0, (due - clock.now().mono) / 1000)):
                return
            for values in _group_values(rows):
                yield historical_reading(clock.now(), time + shift, *judge_values(values, model.measurements))


def _group_values(rows: Iterator[Row]) -> Iterator[dict[str, float | None]]:
    """Rows of one moment -> values; a property that comes twice begins another reading."""
    values: dict[str, float | None] = {}
    for _, name, value in rows:
        if name in values:
            yield values
            values = {}
        values[name] = value
    yield values


def _select_window(rows: list[Row], settings: ReplaySettings) -> list[Row]:
    first = parse_ms(settings.first) if settings.first else rows[0][0] if rows else 0
    last = parse_ms(settings.last) if settings.last else rows[-1][0] if rows else 0
    return [row for row in rows if first <= row[0] <= last]


def _read_rows(path: Path, station: str) -> list[Row]:
    """Return the readings of the station, in order of time."""
    try:
        with gzip.open(path, "rt", newline="") if path.suffix == ".gz" else path.open(newline="") as file:
            table = csv.DictReader(file)
            missing = {"station", "property", "time", "value"} - set(table.fieldnames or ())
            if missing:
                raise ConfigurationError(f"{path}: not a recording, it lacks the column {', '.join(sorted(missing))}")
            return _parse_rows(table, station, path)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error, zlib.error) as error:
        raise ConfigurationError(f"{path}: the recording cannot be read ({error})") from None


def _parse_rows(table: "csv.DictReader[str]", station: str, path: Path) -> list[Row]:
    rows: list[Row] = []
    covariates: dict[tuple[int, str], float] = {}
    for line in table:
        if line["station"] != station:
            continue
        try:
            time = parse_ms(line["time"])
            if line["value"]:
                rows.append((time, line["property"], float(line["value"])))
            for column, name in _COVARIATES.items():
                if line.get(column):
                    covariates[time, name] = float(line[column])
        except (ValueError, OverflowError) as error:
            raise ConfigurationError(f"{path}, line {table.line_num}: {error}") from None
    # A covariate stands beside every property of its moment and is one value all the same.
    recorded = {(time, name) for time, name, _ in rows}
    rows += [(time, name, value) for (time, name), value in covariates.items() if (time, name) not in recorded]
    return sorted(rows, key=itemgetter(0))


def parse_ms(text: str) -> int:
    """RFC 3339 or epoch seconds -> ms UTC; a time without an offset is UTC."""
    try:
        return round(float(text) * 1000)
    except ValueError:
        moment = datetime.fromisoformat(text)
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
