"""Read a recording: a file -> values in order of time, and an account of what was not read.

Called by the sensor `replay` and by `piekwacht backtest`, which also hands in Parquet files as tables of cells. Every
failure is a ConfigurationError of one sentence that names file, line, column and remedy. A line that cannot be read is
counted and reported; if that is more than half of them, the file is refused.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from functools import lru_cache
from itertools import groupby, islice
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from edge_agent.configuration import ConfigurationError
from edge_agent.recordings import formats, names
from edge_agent.recordings.files import SAMPLE_LINES, Table, TableRow, TextTable
from edge_agent.recordings.numbers import UnreadableCellError, parse_number, shorten
from edge_agent.recordings.plan import Plan, RecordingOptions, ValueColumn
from edge_agent.recordings.times import (
    DayOrder,
    TimeReader,
    decide_day_order,
    describe_half_time,
    is_regional,
    load_zone,
)
from edge_agent.wire import Flag

_MAX_SPANS = 10  # spans of line numbers in a sentence


class RecordedValue(NamedTuple):
    """One value of a file: ms UTC, in the property's unit; `flags` are those of the file, `wire.Flag` bits."""

    station: str
    observed_property: str
    at: int
    value: float | None
    flags: int


class RecordedReading(NamedTuple):
    """The values of one station at one moment, as a node would report them."""

    station: str
    at: int
    values: dict[str, float | None]
    flags: dict[str, int]


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
        sentences = [f"{self.path}: {self.format}, {len(self.values)} values in {self.lines} lines"]
        if self.unreadable:
            sentences.append(
                f"{self.path}: {len(self.unreadable)} lines could not be read completely "
                f"(line {format_spans(self.unreadable)}); the first: {self.reason}"
            )
        return sentences + [f"{self.path}: {note}" for note in self.notes]


def read_recording(path: Path, options: RecordingOptions) -> Recording:
    """Read a text file. Raises ConfigurationError."""
    return read_table(TextTable(path), options)


def read_table(table: Table, options: RecordingOptions) -> Recording:
    """Read a table of cells. Raises ConfigurationError."""
    try:
        formats.check_options(options)
        zone = load_zone(options.time_zone) if options.time_zone else None
    except ConfigurationError as error:
        raise ConfigurationError(f"{table.path}: {error}") from None
    layout = _find_layout(table, options)
    _check_first_time(table, layout)
    if zone is None and layout.plan.zone is not None:
        zone = load_zone(layout.plan.zone)
    times = TimeReader(zone, options.day_order or _decide_day_order(table, layout))
    return _RowReader(table, layout, times, options).read()


class _Layout(NamedTuple):
    """Start of the rows, separator of the cells, and meaning of the cells."""

    plan: Plan
    header: list[str]
    line: int
    separator: str


def _find_layout(table: Table, options: RecordingOptions) -> _Layout:
    first: list[str] = []
    for separator in table.separators:
        for number, line in enumerate(table.rows(separator)):
            first = line.cells if number == 0 and len(line.cells) > len(first) else first
            if number >= SAMPLE_LINES:
                break
            try:
                plan = formats.recognise(line.cells, options)
            except ConfigurationError as error:
                raise ConfigurationError(f"{table.path}, line {line.number}: {error}") from None
            if plan is not None:
                return _Layout(plan, [cell.strip() for cell in line.cells], line.number, separator)
    raise ConfigurationError(_describe_unknown(table.path, first, options))


def _describe_unknown(path: Path, first: list[str], options: RecordingOptions) -> str:
    if not first:
        return f"{path}: the file is empty"
    columns = ", ".join(shorten(cell.strip()) for cell in first[:8]) + (", ..." if len(first) > 8 else "")
    if options.columns:
        return f"{path}: no line has the columns {', '.join(map(repr, options.columns.values()))}; line 1 has {columns}"
    if options.format:
        return f"{path}: not a file of the format {options.format}; line 1 has {columns}"
    return (
        f"{path}: not a recording that is recognised; line 1 has {columns}: "
        "name its columns with --columns time=COLUMN,pm2_5=COLUMN or its format with --format"
    )


def _data_rows(table: Table, layout: _Layout) -> Iterator[TableRow]:
    """Rows after the names of the columns, without comments and the names again."""
    for line in table.rows(layout.separator):
        if line.number <= layout.line or line.cells[0].lstrip().startswith("#") or not any(map(str.strip, line.cells)):
            continue
        if [cell.strip() for cell in line.cells] != layout.header:
            yield line


def _time_text(plan: Plan, cells: list[str]) -> str:
    return " ".join(cells[index].strip() for index in plan.times)


def _time_texts(table: Table, layout: _Layout) -> Iterator[tuple[int, str]]:
    for line in _data_rows(table, layout):
        if len(line.cells) > max(layout.plan.times):
            yield line.number, _time_text(layout.plan, line.cells)


def _check_first_time(table: Table, layout: _Layout) -> None:
    number, text = next(_time_texts(table, layout), (0, ""))
    half = None if layout.plan.hour is not None else describe_half_time(text)
    if half is not None:
        column = layout.header[layout.plan.times[0]]
        raise ConfigurationError(
            f"{table.path}, line {number}, column {column!r}: {shorten(text)} is {half}; a recording needs both: "
            "name two columns with --columns date=COLUMN,time=COLUMN, or write both in one"
        )


def _decide_day_order(table: Table, layout: _Layout) -> DayOrder | None:
    first = next(((n, text) for n, text in islice(_time_texts(table, layout), SAMPLE_LINES) if is_regional(text)), None)
    if first is None:
        return None
    day_order = decide_day_order(text for _, text in _time_texts(table, layout))
    if day_order is None:
        number, text = first
        raise ConfigurationError(
            f"{table.path}, line {number}: {shorten(text)} may begin with the day or the month, and no other date of "
            "the file decides it; say --dates day-first or --dates month-first"
        )
    return day_order


class _RowReader:
    """Reads the rows of one table once."""

    def __init__(self, table: Table, layout: _Layout, times: TimeReader, options: RecordingOptions) -> None:
        self._table, self._layout, self._plan, self._times = table, layout, layout.plan, times
        self._station = options.station or table.path.name.split(".")[0] or "recording"
        self._comma_is_decimal = layout.separator != ","
        self._values: list[RecordedValue] = []
        self._conditions: dict[tuple[str, int, str], float] = {}
        self._lines, self._unreadable, self._reason = 0, list[int](), ""
        self._lost = 0

    def read(self) -> Recording:
        """Read all. Raises ConfigurationError."""
        for line in _data_rows(self._table, self._layout):
            self._lines += 1
            before = len(self._values) + len(self._conditions)
            if not self._read_line(line) and len(self._values) + len(self._conditions) == before:
                self._lost += 1
        self._check_share()
        return Recording(
            path=self._table.path,
            format=self._plan.format,
            values=sorted([*self._values, *self._new_conditions()], key=attrgetter("at")),
            lines=self._lines,
            unreadable=self._unreadable,
            reason=self._reason,
            notes=(*self._plan.notes, *self._describe_repeated_hours()),
        )

    def _read_line(self, line: TableRow) -> bool:
        """Add the values of a line; return whether all of it could be read."""
        try:
            at, station, row_property = self._read_place(line.cells)
            flags = self._read_flags(line.cells)
        except UnreadableCellError as error:
            return self._note(line, str(error))
        except ConfigurationError as error:
            raise ConfigurationError(f"{self._table.path}, line {line.number}: {error}") from None
        complete = True
        for column in self._plan.columns:
            try:
                self._add(column, line.cells, RecordedValue(station, row_property, at, None, flags))
            except UnreadableCellError as error:
                complete = self._note(line, f"column {self._layout.header[column.cell]!r}: {error}")
        return complete

    def _read_place(self, cells: list[str]) -> tuple[int, str, str]:
        """Time, station and property of a row."""
        plan = self._plan
        if len(cells) != len(self._layout.header):
            raise UnreadableCellError(f"{len(cells)} cells under {len(self._layout.header)} columns")
        station = cells[plan.station].strip() if plan.station is not None else self._station
        if not station:
            raise UnreadableCellError("no station")
        row_property = "" if plan.observed_property is None else _name_property(cells[plan.observed_property].strip())
        later = timedelta(0) if plan.hour is None else timedelta(hours=_read_hour(cells[plan.hour]))
        text = _time_text(plan, cells) if plan.hour is None else _date_of_knmi(_time_text(plan, cells))
        return self._times.read(text, f"{station}\x1f{row_property}", later), station, row_property

    def _read_flags(self, cells: list[str]) -> int:
        return 0 if self._plan.flags is None else parse_flags(cells[self._plan.flags]) & self._plan.flag_mask

    def _add(self, column: ValueColumn, cells: list[str], row: RecordedValue) -> None:
        number = parse_number(cells[column.cell], comma_is_decimal=self._comma_is_decimal)
        observed_property = column.observed_property or row.observed_property
        if not observed_property:
            raise ConfigurationError(
                f"{self._table.path}: which property the column {self._layout.header[column.cell]!r} holds is not "
                f"said; say it with --columns pm2_5={self._layout.header[column.cell]}"
            )
        value = None if number is None or number in column.no_value else column.convert(number)
        station = column.station or row.station
        if column.is_condition:
            if value is not None:
                self._conditions[station, row.at, observed_property] = value
        elif value is not None or row.flags:
            self._values.append(RecordedValue(station, observed_property, row.at, value, row.flags))

    def _new_conditions(self) -> Iterator[RecordedValue]:
        recorded = {(value.station, value.at, value.observed_property) for value in self._values}
        for key, number in self._conditions.items():
            if key not in recorded:
                station, at, observed_property = key
                yield RecordedValue(station, observed_property, at, number, 0)

    def _note(self, line: TableRow, reason: str) -> bool:
        if not self._unreadable:
            self._reason = reason
        if not self._unreadable or self._unreadable[-1] != line.number:
            self._unreadable.append(line.number)
        return False

    def _check_share(self) -> None:
        path = self._table.path
        if not self._lines:
            raise ConfigurationError(f"{path}: the names of the columns in line {self._layout.line}, and no rows")
        if self._lost * 2 > self._lines:
            raise ConfigurationError(
                f"{path}, line {self._unreadable[0]}: {self._lost} of {self._lines} lines cannot be read; the first: "
                f"{self._reason}; check --format, --columns and --time-zone"
            )

    def _describe_repeated_hours(self) -> list[str]:
        return [
            f"{count} times on {day} lie in the hour that occurs twice; the order of the rows says which they are"
            for day, count in self._times.repeated_hours.items()
        ]


@lru_cache(maxsize=1000)
def _name_property(text: str) -> str:
    observed_property = names.name_property(text)
    if observed_property is None:
        raise UnreadableCellError(f"{shorten(text)} is no property")
    return observed_property


@lru_cache(maxsize=1000)
def parse_flags(text: str) -> int:
    """`out_of_range stuck` or the number of the bits -> bits. Raises UnreadableCellError."""
    text = text.strip()
    if text.isascii() and text.isdigit() and int(text) < 1 << 31:
        return int(text)
    bits = 0
    for name in text.split():
        if name.upper() not in Flag.__members__:
            raise UnreadableCellError(f"{shorten(name)} is no flag")
        bits |= Flag[name.upper()]
    return bits


def _read_hour(text: str) -> int:
    hour = parse_number(text, comma_is_decimal=False)
    if hour is None or not 0 <= hour <= 24 or hour != int(hour):
        raise UnreadableCellError(f"{shorten(text)} is no hour from 1 to 24")
    return int(hour)


def _date_of_knmi(text: str) -> str:
    """20261121 -> the beginning of that day."""
    digits = text.strip()
    if len(digits) != 8 or not digits.isascii() or not digits.isdigit():
        raise UnreadableCellError(f"{shorten(text)} is no date YYYYMMDD")
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:]} 00:00"


def group_readings(values: Iterable[RecordedValue]) -> Iterator[RecordedReading]:
    """Values in order of time -> the readings of each station; a property that comes twice begins another reading."""
    for at, moment in groupby(values, key=attrgetter("at")):
        by_station: dict[str, list[RecordedReading]] = {}
        for value in moment:
            readings = by_station.setdefault(value.station, [])
            if not readings or value.observed_property in readings[-1].values:
                readings.append(RecordedReading(value.station, at, {}, {}))
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
