"""Tables that people import as CSV: strict, one sentence with the line for what cannot be used. Pure.

UTF-8, separated by commas, semicolons or tabs. Numbers have a decimal point; a decimal comma must be declared. Times
have an offset, or the caller gives their time zone.
"""

import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from datetime import datetime, tzinfo

from gateway.errors import StartError

_LEAP_SECOND = re.compile(r":60(\.|$|[Zz+-])")
_MAX_QUOTED = 40


class TableFileError(StartError):
    """A file that cannot be used; the sentence names the line and the remedy."""


class CsvRow:
    """One row: cells by column, without blanks around them. `where` names its line in sentences."""

    def __init__(self, cells: dict[str, str], where: str) -> None:
        self._cells, self.where = cells, where

    def text(self, name: str) -> str:
        """Return the cell; empty if the column is missing."""
        return self._cells.get(name, "")

    def required(self, name: str) -> str:
        """Return the cell. Raises TableFileError if it is empty."""
        text = self.text(name)
        if not text:
            raise TableFileError(f"{self.where}: {name} is empty")
        return text

    def number(self, name: str, *, decimal_comma: bool = False) -> float:
        """Return the number of a cell. Raises TableFileError for an undeclared comma and for what is no number."""
        return parse_number(self.required(name), f"{self.where}: {name}", decimal_comma=decimal_comma)

    def time(self, name: str, zone: tzinfo | None) -> datetime:
        """Return the time of a cell. Raises TableFileError."""
        return parse_time(self.required(name), zone, self.where)


def read_rows(content: bytes, needed: Sequence[str]) -> Iterator[CsvRow]:
    """Yield the rows after the first line, which names the columns. Raises TableFileError."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise TableFileError("the file is not UTF-8; save it as CSV UTF-8") from None
    first_line = text.partition("\n")[0]
    delimiter = max(";,\t", key=first_line.count)
    reader = csv.DictReader(io.StringIO(text), delimiter=delimiter)
    names = [name.strip() for name in reader.fieldnames or ()]
    missing = next((name for name in needed if name not in names), None)
    if missing is not None:
        raise TableFileError(f"line 1: column {missing!r} is missing; needed are {', '.join(needed)}")
    try:
        for cells in reader:
            where = f"line {reader.line_num}"
            if None in cells:
                raise TableFileError(
                    f"{where}: more cells than columns; a decimal comma in a file with commas needs quotes"
                )
            yield CsvRow({str(name).strip(): (cell or "").strip() for name, cell in cells.items()}, where)
    except csv.Error as error:
        raise TableFileError(f"line {reader.line_num}: {error}") from None


def parse_number(text: str, where: str, *, decimal_comma: bool = False) -> float:
    """Return a finite number. Raises TableFileError."""
    quoted = repr(text[:_MAX_QUOTED])
    if "," in text and not decimal_comma:
        raise TableFileError(f"{where} {quoted} has a comma; if it is a decimal comma, give --decimal-comma")
    if "." in text and decimal_comma:
        raise TableFileError(f"{where} {quoted} has a point, but --decimal-comma says that numbers have commas")
    try:
        number = float(text.replace(",", ".")) if "_" not in text else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise TableFileError(f"{where} {quoted} is no number")
    return number


def parse_time(text: str, zone: tzinfo | None, where: str) -> datetime:
    """Return the time; without an offset it needs `zone`. Raises TableFileError."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        if _LEAP_SECOND.search(text):
            raise TableFileError(
                f"{where}: {text[:_MAX_QUOTED]!r} is a leap second; write the second before it"
            ) from None
        raise TableFileError(
            f"{where}: {text[:_MAX_QUOTED]!r} is no time; write it as 2026-11-28T21:05+01:00"
        ) from None
    if at.tzinfo is not None:
        return at
    if zone is None:
        raise TableFileError(f"{where}: the time {text!r} has no offset; give --time-zone Europe/Amsterdam")
    return _resolve(at, zone, where)


def _resolve(at: datetime, zone: tzinfo, where: str) -> datetime:
    """Refuse an hour that a change of the clock leaves out or has twice: nothing is guessed."""
    first, second = (at.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.utcoffset() != second.utcoffset():
        raise TableFileError(
            f"{where}: the time {at.isoformat()} is ambiguous, because the clock changes then; write its offset"
        )
    return first
