"""Two kinds of CSV: RFC 4180 for programs, and one that a Dutch spreadsheet program opens with a double click. Pure.

A number is written with as many digits as are needed to read the same number back.
"""

import csv
import io
from collections.abc import Sequence
from datetime import datetime

from alerting.vocabulary import LOCAL_TIMEZONE
from gateway.model.timestamps import format_instant


class Dialect:
    """RFC 4180: commas, decimal points, times as RFC 3339 in UTC."""

    delimiter = ","
    file_suffix = ".csv"

    def format_header(self, names: Sequence[str]) -> bytes:
        """Return the first line."""
        return self._join([names])

    def format_lines(self, rows: Sequence[Sequence[object]]) -> bytes:
        """Return rows as lines that end with CR LF."""
        return self._join([self._format_row(row) for row in rows])

    def _format_row(self, row: Sequence[object]) -> Sequence[object]:
        return [format_instant(cell) if isinstance(cell, datetime) else cell for cell in row]

    def _join(self, rows: Sequence[Sequence[object]]) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=self.delimiter).writerows(rows)
        return text.getvalue().encode()


class DutchDialect(Dialect):
    """`csv-nl`: a byte order mark, semicolons, decimal commas, Dutch local times.

    A last column has the offset of a row's times from UTC: in October an hour of local time comes twice.
    """

    delimiter = ";"
    file_suffix = "-nl.csv"

    def format_header(self, names: Sequence[str]) -> bytes:
        """Return the byte order mark, without which the program reads UTF-8 as another encoding, and the first line."""
        return "\N{BYTE ORDER MARK}".encode() + self._join([[*names, "utc_offset"]])

    def _format_row(self, row: Sequence[object]) -> Sequence[object]:
        first = next((cell for cell in row if isinstance(cell, datetime)), None)
        return [*map(_format_dutch_cell, row), "" if first is None else _format_offset(first)]


def _format_dutch_cell(cell: object) -> object:
    if isinstance(cell, datetime):
        local = cell.astimezone(LOCAL_TIMEZONE)
        return f"{local:%Y-%m-%d %H:%M:%S}" + (f",{local.microsecond // 1000:03}" if local.microsecond else "")
    return repr(cell).replace(".", ",") if isinstance(cell, float) else cell


def _format_offset(at: datetime) -> str:
    text = f"{at.astimezone(LOCAL_TIMEZONE):%z}"
    return f"UTC{text[:3]}:{text[3:]}"
