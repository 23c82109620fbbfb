"""Read a recording: a file -> values in order of time, and an account of what was not read.

Called by the sensor `replay` and by `piekwacht backtest`, which also hands in Parquet files as tables of cells. Every
failure is a ConfigurationError of one sentence that names file, line, column and remedy. A line that cannot be read is
counted and reported; if that is more than half of them, the file is refused.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import groupby, islice
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct

from edge_agent.configuration import ConfigurationError
from edge_agent.recordings import formats, names
from edge_agent.recordings.files import SAMPLE_LINES, Table, TableRow, TextTable
from edge_agent.recordings.numbers import NumberReader, UnreadableCellError, parse_number, shorten
from edge_agent.recordings.plan import Plan, RecordingOptions, ValueColumn
from edge_agent.recordings.times import (
    DayOrder,
    TimeReader,
    decide_day_order,
    describe_half_time,
    is_day_count,
    is_regional,
    load_zone,
    parse_time,
)
from edge_agent.recordings.units import Conversion, find_conversion, is_unit, normalise
from edge_agent.sensor_models import CODES_OF_NO_VALUE, find_model
from edge_agent.wire import EXCLUDED_FLAGS, Flag

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_SPANS = 10  # spans of line numbers in a sentence
_MAX_NAMES = 12  # names of columns in a sentence
_FEWEST_FRACTIONS = 3  # values of humidity from which on a series is taken for fractions


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
    layout = _read_units_row(table, _find_layout(table, options))
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
                header = [cell.strip() for cell in line.cells]
                while not header[-1]:
                    header.pop()  # a separator at the end of each line
                return _Layout(plan, header, line.number, separator)
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


def _read_units_row(table: Table, layout: _Layout) -> _Layout:
    """Return the layout with the units of a row under the names, if there is such a row."""
    row = next(_data_rows(table, layout), None)
    if row is None or layout.plan.observed_property is not None or not _has_units(row.cells, layout.plan):
        return layout
    columns, notes = [], list(layout.plan.notes)
    for column in layout.plan.columns:
        unit = row.cells[column.cell].strip()
        convert = (
            column.convert if normalise(unit) in {"", "-"} else find_conversion(unit, column.observed_property or "")
        )
        if convert is None:
            notes.append(f"the column {layout.header[column.cell]!r} is not read: its unit {unit!r} is not read")
        else:
            columns.append(column._replace(convert=convert))
    plan = msgspec.structs.replace(layout.plan, columns=columns, notes=notes)
    return layout._replace(plan=plan, line=row.number)


def _has_units(cells: list[str], plan: Plan) -> bool:
    """Whether a row has units where others have a time and values."""
    used = {*plan.times, *(column.cell for column in plan.columns)}
    if max(used) >= len(cells):
        return False
    try:
        parse_time(_time_text(plan, cells), DayOrder.DAY_FIRST)
    except UnreadableCellError:
        return any(is_unit(cells[column.cell]) for column in plan.columns)
    return False


def _data_rows(table: Table, layout: _Layout) -> Iterator[TableRow]:
    """Rows after the names of the columns, without comments and the names again."""
    for line in table.rows(layout.separator):
        if line.number <= layout.line or line.cells[0].lstrip().startswith("#") or not any(map(str.strip, line.cells)):
            continue
        cells = line.cells
        while len(cells) > len(layout.header) and not cells[-1].strip():
            cells = cells[:-1]
        if [cell.strip() for cell in cells] != layout.header:
            yield TableRow(line.number, cells)


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
    if layout.plan.hour is None and is_day_count(text):
        raise ConfigurationError(
            f"{table.path}, line {number}, column {layout.header[layout.plan.times[0]]!r}: {shorten(text)} is a day "
            "number of a spreadsheet or seconds in 1970; format the column as date and time, such as 2026-11-21 17:00"
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
        self._numbers = NumberReader(comma_is_separator=layout.separator == ",", texts=self._number_texts)
        self._model = options.model or layout.plan.model
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
        values, fractions = _flag_fractions([*self._values, *self._new_conditions()])
        return Recording(
            path=self._table.path,
            format=self._plan.format,
            values=sorted(values, key=attrgetter("at")),
            lines=self._lines,
            unreadable=self._unreadable,
            reason=self._reason,
            notes=(*self._plan.notes, *self._describe_unread(), *fractions, *self._describe_repeated_hours()),
        )

    def _read_line(self, line: TableRow) -> bool:
        """Add the values of a line; return whether all of it could be read."""
        try:
            at, station, row_property = self._read_place(line.cells)
            flags = self._read_flags(line.cells)
            model = self._name_model(line.cells)
        except UnreadableCellError as error:
            return self._note(line, str(error))
        except ConfigurationError as error:
            raise ConfigurationError(f"{self._table.path}, line {line.number}: {error}") from None
        complete = True
        for column in self._plan.columns:
            try:
                row = RecordedValue(station, row_property, at, None, flags, model)
                self._add(column, line.cells, row)
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
        number = self._numbers.read(cells[column.cell])
        observed_property = column.observed_property or row.observed_property
        if not observed_property:
            raise ConfigurationError(
                f"{self._table.path}: which property the column {self._layout.header[column.cell]!r} holds is not "
                f"said; say it with --columns pm2_5={self._layout.header[column.cell]}"
            )
        convert = column.convert if self._plan.unit is None else self._find_conversion(cells, column, observed_property)
        value = None if number is None or number in column.no_value else convert(number)
        if value != number and number in CODES_OF_NO_VALUE:  # 65535 of any unit is no measurement of another one
            row = row._replace(flags=row.flags | Flag.OUT_OF_RANGE)
        station = column.station or row.station
        if column.is_condition:
            if value is not None:
                self._conditions[station, row.at, observed_property] = value
        elif value is not None or row.flags:
            self._values.append(row._replace(station=station, observed_property=observed_property, value=value))

    def _find_conversion(self, cells: list[str], column: ValueColumn, observed_property: str) -> Conversion:
        """The conversion from the unit of a row, which is that of its value; conditions beside it have their own."""
        unit = cells[self._plan.unit or 0].strip()
        if not unit or column.observed_property is not None:
            return column.convert
        convert = find_conversion(unit, observed_property)
        if convert is None:
            raise UnreadableCellError(f"the unit {shorten(unit)} of {observed_property} is not read")
        return convert

    def _name_model(self, cells: list[str]) -> str:
        """The sensor model of a row. Raises UnreadableCellError if its columns mean nothing without a known one."""
        name = self._model or ("" if self._plan.model_name is None else cells[self._plan.model_name].strip())
        if self._plan.is_model_needed and find_model(name) is None:
            raise UnreadableCellError(f"the table of sensor models has no {shorten(name)}; name its model with --model")
        return name

    def _number_texts(self) -> Iterator[str]:
        indices = [column.cell for column in self._plan.columns]
        for line in _data_rows(self._table, self._layout):
            if len(line.cells) == len(self._layout.header):
                yield from (line.cells[index] for index in indices)

    def _describe_unread(self) -> list[str]:
        used = self._plan.used_cells
        unread = [repr(text) for index, text in enumerate(self._layout.header) if text and index not in used]
        more = f" and {len(unread) - _MAX_NAMES} more" if len(unread) > _MAX_NAMES else ""
        return [f"columns that are not read: {', '.join(unread[:_MAX_NAMES])}{more}"] if unread else []

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


def _flag_fractions(values: list[RecordedValue]) -> tuple[list[RecordedValue], list[str]]:
    """Flag the humidity of stations that never exceeds 1: it is a fraction. Return the values, and a sentence each."""
    humidity: dict[str, list[float]] = {}
    for value in values:
        if value.observed_property == "humidity" and value.value is not None and not value.flags & EXCLUDED_FLAGS:
            humidity.setdefault(value.station, []).append(value.value)
    stations = {
        station
        for station, numbers in humidity.items()
        if len(numbers) >= _FEWEST_FRACTIONS and min(numbers) >= 0 and max(numbers) <= 1
    }
    flagged = [
        value._replace(flags=value.flags | Flag.OUT_OF_RANGE)
        if value.observed_property == "humidity" and value.station in stations
        else value
        for value in values
    ]
    sentences = [
        f"the humidity of {station} never exceeds 1, so it is no percentage; it is flagged out_of_range: write percent"
        for station in sorted(stations)
    ]
    return (flagged if stations else values), sentences


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
    hour = parse_number(text)
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
