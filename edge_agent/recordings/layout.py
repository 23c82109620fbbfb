"""The start of the rows of a file, and the meaning of its cells: names of columns, units under them, order of dates."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec

from edge_agent.configuration import ConfigurationError
from edge_agent.recordings import formats
from edge_agent.recordings.files import SAMPLE_LINES, Table, TableRow
from edge_agent.recordings.numbers import UnreadableCellError, shorten
from edge_agent.recordings.plan import Plan, RecordingOptions
from edge_agent.recordings.times import (
    DayOrder,
    decide_day_order,
    describe_half_time,
    is_day_count,
    is_regional,
    parse_time,
)
from edge_agent.recordings.units import find_conversion, is_unit, normalise


class Layout(NamedTuple):
    """Start of the rows, separator of the cells, and meaning of the cells."""

    plan: Plan
    header: list[str]
    line: int
    separator: str


def find_layout(table: Table, options: RecordingOptions) -> Layout:
    """Find the line with the names of the columns. Raises ConfigurationError if no format fits the first lines."""
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
                return Layout(plan, header, line.number, separator)
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


def read_units_row(table: Table, layout: Layout) -> Layout:
    """Return the layout with the units of a row under the names, if there is such a row."""
    row = next(data_rows(table, layout), None)
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
        parse_time(join_time(plan, cells), DayOrder.DAY_FIRST)
    except UnreadableCellError:
        return any(is_unit(cells[column.cell]) for column in plan.columns)
    return False


def data_rows(table: Table, layout: Layout) -> Iterator[TableRow]:
    """Rows after the names of the columns, without comments and the names again."""
    for line in table.rows(layout.separator):
        if line.number <= layout.line or line.cells[0].lstrip().startswith("#") or not any(map(str.strip, line.cells)):
            continue
        cells = line.cells
        while len(cells) > len(layout.header) and not cells[-1].strip():
            cells = cells[:-1]
        if [cell.strip() for cell in cells] != layout.header:
            yield TableRow(line.number, cells)


def join_time(plan: Plan, cells: list[str]) -> str:
    """Text of the time of a row, from one or two cells."""
    return " ".join(cells[index].strip() for index in plan.times)


def _iterate_times(table: Table, layout: Layout) -> Iterator[tuple[int, str]]:
    for line in data_rows(table, layout):
        if len(line.cells) > max(layout.plan.times):
            yield line.number, join_time(layout.plan, line.cells)


def check_first_time(table: Table, layout: Layout) -> None:
    """Raise ConfigurationError if the first time is only a date, only a time of day, or a number of days."""
    number, text = next(_iterate_times(table, layout), (0, ""))
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


def choose_day_order(table: Table, layout: Layout) -> DayOrder | None:
    """Decide from all dates of the file whether they begin with the day; None if no date leaves it open."""
    first = next(
        ((n, text) for n, text in islice(_iterate_times(table, layout), SAMPLE_LINES) if is_regional(text)), None
    )
    if first is None:
        return None
    day_order = decide_day_order(text for _, text in _iterate_times(table, layout))
    if day_order is None:
        number, text = first
        raise ConfigurationError(
            f"{table.path}, line {number}: {shorten(text)} may begin with the day or the month, and no other date of "
            "the file decides it; say --dates day-first or --dates month-first"
        )
    return day_order
