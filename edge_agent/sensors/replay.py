"""A recording played again, value for value: for tests, for back-filling, and for showing a day in a minute.

The file is read as `piekwacht backtest` reads it (`edge_agent.recordings`), and its values get the flags of the file
and of the sensors' ranges. Values arrive bit for bit as recorded.
"""

import logging
import math
import threading
from collections.abc import Iterator
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct

from edge_agent import clock
from edge_agent.configuration import ConfigurationError
from edge_agent.recordings.numbers import UnreadableCellError
from edge_agent.recordings.plan import RecordingOptions
from edge_agent.recordings.reader import read_recording
from edge_agent.recordings.recording import RecordedReading, group_readings
from edge_agent.recordings.times import DayOrder, TimeReader
from edge_agent.sensor_models import MODELS, find_model
from edge_agent.sensors.recorded_flags import judge_reading
from edge_agent.sensors.sensor import Reading, historical_reading

_LOG = logging.getLogger(__name__)


class ReplaySettings(Struct, frozen=True, kw_only=True, tag_field="driver", tag="replay"):
    """`driver = "replay"`: one station of a recording; docs/operator/recordings.md shows the formats.

    file       recording, also gzipped: station,property,time,value or a format of others
    station    station of the recording; of a file without a column of stations, any name
    format     name of the format; default: recognised
    columns    role or property -> name of the column, if the names are not recognised
    time_zone  zone of times without an offset, such as "Europe/Amsterdam"
    model      sensor model of the recording, such as "sds011" or "knmi": its ranges and sentinels flag the values;
               default: the model that the file or its format names, or bounds that follow from the quantity
    dates      how 3-4-2026 is read, if no other date of the file decides it
    speed      times faster than recorded; 0: as fast as possible
    stamps     "recorded": the original times; "now": shifted so that the last reading has the time at which it is
               played, and none lies in the future
    first      play from this moment on (RFC 3339 or epoch seconds)
    last       play up to and including this moment
    """

    file: Path
    station: str
    format: str | None = None
    columns: dict[str, str] = {}
    time_zone: str | None = None
    dates: Literal["day-first", "month-first"] | None = None
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

    @property
    def recording_options(self) -> RecordingOptions:
        """How the file is read."""
        return RecordingOptions(
            format=self.format,
            columns=self.columns,
            time_zone=self.time_zone,
            day_order=DayOrder(self.dates) if self.dates else None,
            station=self.station,
            model=self.model,
        )


class ReplaySensor:
    """One station of a recording, as a sensor."""

    def __init__(self, settings: ReplaySettings) -> None:
        self.name, self.state = f"replay {settings.station}", "ok"
        self._settings = settings
        self._readings = _select_window(_load_readings(settings), settings)
        self.properties = sorted({name for reading in self._readings for name in reading.values})
        self.hang_timeout = math.inf
        if not self._readings:
            raise ConfigurationError(
                f"{settings.file}: nothing recorded at station {settings.station!r} in this window"
            )

    def readings(self, stop: threading.Event) -> Iterator[Reading]:
        """Each moment of the recording when its turn comes."""
        first, last = self._readings[0].at, self._readings[-1].at
        started, speed = clock.now(), self._settings.speed
        length = (last - first) / speed if speed else 0.0
        shift = round(started.wall + length - last) if self._settings.stamps == "now" else 0
        for at, moment in groupby(self._readings, key=attrgetter("at")):
            due = started.mono + (at - first) / speed if speed else 0.0
            if stop.wait(max(0.0, (due - clock.now().mono) / 1000)):
                return
            for reading in moment:
                yield historical_reading(clock.now(), at + shift, reading.values, reading.flags)


def _load_readings(settings: ReplaySettings) -> list[RecordedReading]:
    """Return the readings of the station, in order of time, and log what could not be read."""
    recording = read_recording(settings.file, settings.recording_options)
    for sentence in recording.describe():
        _LOG.info("%s", sentence)
    values = [value for value in recording.values if value.station == settings.station]
    return [judge_reading(reading) for reading in group_readings(values)]


def _select_window(readings: list[RecordedReading], settings: ReplaySettings) -> list[RecordedReading]:
    first = -math.inf if settings.first is None else _parse_limit("first", settings.first, settings)
    last = math.inf if settings.last is None else _parse_limit("last", settings.last, settings)
    return [reading for reading in readings if first <= reading.at <= last]


def _parse_limit(key: str, text: str, settings: ReplaySettings) -> int:
    """RFC 3339 or epoch seconds -> ms UTC; a time without an offset is UTC."""
    try:
        return TimeReader(ZoneInfo("UTC"), None).read(text, key)
    except UnreadableCellError as error:
        raise ConfigurationError(f"{key} of the replay of {settings.file}: {error}") from None
