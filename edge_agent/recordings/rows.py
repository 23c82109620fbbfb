"""Rows of a file -> values. A line that cannot be read is counted; more than half of them refuse the file."""

from collections.abc import Iterator
from datetime import timedelta
from operator import attrgetter

from edge_agent.configuration import ConfigurationError
from edge_agent.recordings.cells import date_of_knmi, name_property, parse_flags, read_hour
from edge_agent.recordings.files import Table, TableRow
from edge_agent.recordings.layout import Layout, data_rows, join_time
from edge_agent.recordings.numbers import NumberReader, UnreadableCellError, shorten
from edge_agent.recordings.plan import RecordingOptions, ValueColumn
from edge_agent.recordings.recording import RecordedValue, Recording
from edge_agent.recordings.times import TimeReader
from edge_agent.recordings.units import Conversion, find_conversion
from edge_agent.sensor_models import CODES_OF_NO_VALUE, find_model
from edge_agent.wire import EXCLUDED_FLAGS, Flag

_MAX_NAMES = 12  # names of columns in a sentence
_FEWEST_FRACTIONS = 3  # values of humidity from which on a series is taken for fractions


class RowReader:
    """Reads the rows of one table once."""

    def __init__(self, table: Table, layout: Layout, times: TimeReader, options: RecordingOptions) -> None:
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
        for line in data_rows(self._table, self._layout):
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
        row_property = "" if plan.observed_property is None else name_property(cells[plan.observed_property].strip())
        later = timedelta(0) if plan.hour is None else timedelta(hours=read_hour(cells[plan.hour]))
        text = join_time(plan, cells) if plan.hour is None else date_of_knmi(join_time(plan, cells))
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
        for line in data_rows(self._table, self._layout):
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
