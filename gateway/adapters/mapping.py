"""A mapping file: where a message of any sensor has its values, in which unit. TOML; paths are JSONPath (RFC 9535).

    device = "$.serial"
    time = "$.measured_at"             # RFC 3339, a local time with time_zone, or a number of seconds or ms since 1970
    time_zone = "Europe/Amsterdam"
    model = "sps30"                    # of the table of sensor models; default: an unnamed instrument

    [values.pm2_5]
    path = "$.data[?@.name=='PM25'].value"
    unit = "ug/m3"                     # default: the unit of the property
    factor = 1.0                       # value = factor * number + offset, before the unit is converted
    offset = 0.0

For the payload of a LoRaWAN device or a topic the network names device and time: `device` and `time` are left out, and
the paths begin in that payload.
"""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated

import jsonpath
from msgspec import Meta, Struct

from edge_agent.configuration import ConfigurationError, convert_table, load_toml
from edge_agent.recordings.numbers import UnreadableCellError
from edge_agent.recordings.times import TimeReader, load_zone
from edge_agent.recordings.units import UNITS, find_conversion, same
from edge_agent.sensor_models import ANY, SensorModel, find_model
from edge_agent.sensors.posts import PostedValue, Refusal, parse_number, read_value
from gateway.adapters.foreign import ForeignMessage, ForeignReading, RefusedError, read_object, require_values
from gateway.model.properties import PROPERTIES

TITLE = "the mapping"
_MAX_PATH = 200  # characters

PathText = Annotated[str, Meta(min_length=1, max_length=_MAX_PATH)]


class MappedValue(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[values.<property>]`: where the number stands, its unit, and what turns it into that unit."""

    path: PathText
    unit: str = ""
    factor: float = 1.0
    offset: float = 0.0


class FieldMapping(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """A mapping file. Raises ValueError with one sentence for a property, unit, model, path or zone that is none."""

    values: Annotated[dict[str, MappedValue], Meta(min_length=1)]
    device: PathText | None = None
    time: PathText | None = None
    time_zone: str | None = None
    model: str | None = None

    def __post_init__(self) -> None:
        if self.model is not None and find_model(self.model) is None:
            raise ValueError(f"model: the table of sensor models has no {self.model!r}")
        for name, value in self.values.items():
            if name not in PROPERTIES:
                raise ValueError(f"values.{name}: there is no such property; there are {', '.join(PROPERTIES)}")
            if value.unit and find_conversion(value.unit, name) is None:
                raise ValueError(f"values.{name}: unit {value.unit!r} is not read; write {', '.join(UNITS[name])}")
        try:
            _ = self._find, load_zone(self.time_zone or "UTC")
        except ConfigurationError as error:
            raise ValueError(str(error)) from None

    @cached_property
    def _find(self) -> Mapping[str, Callable[[object], object]]:
        """Path -> a function that returns the first match, or None."""
        texts = {text for text in (self.device, self.time, *(value.path for value in self.values.values())) if text}
        return {text: _compile(text) for text in texts}

    @cached_property
    def _model(self) -> SensorModel:
        return ANY if self.model is None else find_model(self.model) or ANY

    def read(self, content: object) -> list[PostedValue]:
        """The values that this content has; a property whose path matches nothing is left out."""
        return list(self._read(content))

    def _read(self, content: object) -> Iterator[PostedValue]:
        for name, mapped in self.values.items():
            raw = self._find[mapped.path](content)
            if raw is None:
                continue
            number = parse_number(raw)
            value = raw if isinstance(number, Refusal) else mapped.factor * number + mapped.offset
            convert = find_conversion(mapped.unit, name) if mapped.unit else same
            yield read_value(mapped.path, name, self._model, value, convert=convert)

    def read_device(self, content: object) -> str:
        """Raises RefusedError where the path of the device leads to no name."""
        if self.device is None:
            raise RefusedError("the mapping has no `device`: give the path of the device's name, such as $.serial")
        name = self._find[self.device](content)
        if isinstance(name, bool) or not isinstance(name, str | int) or name == "":
            raise RefusedError(f"no message of {TITLE}: {self.device} names no device")
        return str(name)

    def read_time(self, content: object) -> int | None:
        """Return ms UTC; None without `time`, and in the hour that a local clock shows twice. Raises RefusedError."""
        if self.time is None:
            return None
        text = self._find[self.time](content)
        reader = TimeReader(load_zone(self.time_zone) if self.time_zone else None, None)
        try:
            at = reader.read(str(text), "")
        except (UnreadableCellError, ConfigurationError):
            hint = "" if self.time_zone else "; a local time needs time_zone"
            raise RefusedError(f"{self.time} holds {str(text)[:40]!r}, which is no time{hint}") from None
        return None if reader.repeated_hours else at

    def describe_miss(self) -> str:
        """Why nothing was read."""
        return f"none of the paths of the mapping leads to a value: {', '.join(v.path for v in self.values.values())}"


def _compile(text: str) -> Callable[[object], object]:
    """Raises ConfigurationError. A name without `$` is that of a member."""
    try:
        path = jsonpath.compile(text if text.startswith("$") else f"$['{text}']")
    except jsonpath.JSONPathError as error:
        raise ConfigurationError(f"path {text!r} is no JSONPath: {str(error).splitlines()[0]}") from None

    def find(content: object) -> object:
        if not isinstance(content, dict | list):
            return None
        match = path.match(content)
        return None if match is None else match.obj

    return find


def parse(message: ForeignMessage, mapping: FieldMapping) -> list[ForeignReading]:
    """A message of any form of JSON, by its mapping alone."""
    content = read_object(message, TITLE)
    values = require_values(mapping.read(content), TITLE, mapping.describe_miss())
    return [ForeignReading(sender=mapping.read_device(content), at=mapping.read_time(content), values=values)]


def load_mapping(path: Path) -> FieldMapping:
    """Read a mapping file. Raises ConfigurationError with one sentence."""
    return load_toml(path, FieldMapping)


def parse_mapping(text: str) -> FieldMapping:
    """Read the text of a mapping file that was checked before. Raises ConfigurationError with one sentence."""
    try:
        return convert_table(tomllib.loads(text), FieldMapping, source="the mapping")
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"the mapping is no TOML: {error}") from None
