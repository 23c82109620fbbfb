"""The contents of a recording: values, readings, and the account of what was not read. Pure."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_SPANS = 10  # spans of line numbers in a sentence


class RecordedValue(NamedTuple):
    """One value of a file: ms UTC, in the property's unit; `flags` are those of the file, `wire.Flag` bits.

    `model` is the sensor model as the file, its format or the operator names it; empty if none does.
    """

    station: str
    observed_property: str
    at: int
    value: float | None
    flags: int
    model: str = ""


class RecordedReading(NamedTuple):
    """The values of one station at one moment, as a node would report them."""

    station: str
    at: int
    values: dict[str, float | None]
    flags: dict[str, int]
    model: str = ""


class Recording(Struct, frozen=True, kw_only=True):
    """The values of a file, and the lines that could not be read.

    format      name of the format
    values      in order of time; at one time in the order of the file
    lines       number of lines with a moment and values
    unreadable  numbers of the lines in which something cannot be read; the rest of such a line counts
    reason      what is wrong in the first of them
    notes       sentences for the operator
    """

    path: Path
    format: str
    values: list[RecordedValue]
    lines: int
    unreadable: list[int]
    reason: str = ""
    notes: tuple[str, ...] = ()

    def describe(self) -> list[str]:
        """Sentences about what was read and what was not."""
        sentences = [f"{self.path}: {self.format}, {len(self.values)} values in {self.lines} lines{self._period()}"]
        if self.unreadable:
            sentences.append(
                f"{self.path}: {len(self.unreadable)} lines could not be read completely "
                f"(line {format_spans(self.unreadable)}); the first: {self.reason}"
            )
        return sentences + [f"{self.path}: {note}" for note in self.notes]

    def _period(self) -> str:
        if not self.values:
            return ""
        first, last = (_EPOCH + timedelta(milliseconds=value.at) for value in (self.values[0], self.values[-1]))
        return f", from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"


def group_readings(values: Iterable[RecordedValue]) -> Iterator[RecordedReading]:
    """Values in order of time -> the readings of each station; a property that comes twice begins another reading."""
    for at, moment in groupby(values, key=attrgetter("at")):
        by_station: dict[str, list[RecordedReading]] = {}
        for value in moment:
            readings = by_station.setdefault(value.station, [])
            last = readings[-1] if readings else None
            if last is None or last.model != value.model or value.observed_property in last.values:
                readings.append(RecordedReading(value.station, at, {}, {}, value.model))
            readings[-1].values[value.observed_property] = value.value
            if value.flags:
                readings[-1].flags[value.observed_property] = value.flags
        for readings in by_station.values():
            yield from readings


def format_spans(numbers: list[int]) -> str:
    """Ascending numbers -> `3, 7-9`; of many the first spans."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    texts = [f"{first}-{last}" if last > first else str(first) for first, last in spans[:_MAX_SPANS]]
    return ", ".join(texts) + (" and more" if len(spans) > _MAX_SPANS else "")
