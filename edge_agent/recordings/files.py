"""A file as lines and cells of text: gzipped or not, UTF-8, UTF-16 or Latin-1, with or without a byte order mark.

Nothing is loaded whole. Every failure is a ConfigurationError that names the file, and the line if there is one.
"""

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from edge_agent.configuration import ConfigurationError

SAMPLE_LINES = 100  # in which the names of the columns must stand
_MAX_LINE = 1_000_000  # characters
_GZIP, _UTF8_BOM = b"\x1f\x8b", codecs.BOM_UTF8
_HEAD = 4096  # bytes in which a file shows what it is
# first bytes of a file that is no table -> its kind, and the remedy
_OTHER_KINDS = (
    (b"PK\x03\x04", "a ZIP file; unpack it and name the file in it"),
    (b"\xd0\xcf\x11\xe0", "a spreadsheet of Excel (.xls); save it there as CSV"),
    (b"PAR1", "a Parquet file, which only `piekwacht backtest` reads; convert it to CSV"),
    (b"ARROW1", "an Arrow file; convert it to CSV or Parquet"),
    (b"SQLite format 3\0", "an SQLite database; write the table that is meant as CSV"),
    (b"BZh", "packed with bzip2; unpack it, or pack it with gzip"),
    (b"\xfd7zXZ\0", "packed with xz; unpack it, or pack it with gzip"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd; unpack it, or pack it with gzip"),
    (b"7z\xbc\xaf", "packed with 7-Zip; unpack it, or pack it with gzip"),
    (_GZIP, "packed with gzip twice; unpack it once"),
    (b"%PDF", "a PDF document; ask its author for the table as CSV"),
    (b"\x89PNG", "a picture; a recording is a table of text or Parquet"),
    (b"\xff\xd8\xff", "a picture; a recording is a table of text or Parquet"),
    (b"\x89HDF", "an HDF5 or NetCDF file; convert the series that is meant to CSV"),
    (b"CDF\x01", "a NetCDF file; convert the series that is meant to CSV"),
    (b"CDF\x02", "a NetCDF file; convert the series that is meant to CSV"),
    (codecs.BOM_UTF32_LE, "text in UTF-32; save it as UTF-8"),
    (codecs.BOM_UTF32_BE, "text in UTF-32; save it as UTF-8"),
)
# the same for text, after white space
_OTHER_TEXTS = (
    (b"{", "JSON; convert it to CSV with one row per moment"),
    (b"[{", "JSON; convert it to CSV with one row per moment"),
    (b"<", "XML or a web page; download the table itself as CSV"),
    (b"{\\rtf", "a text document (RTF); save it as plain text"),
)
_OFFICE_FILES = (b"[Content_Types].xml", b"application/vnd.oasis.opendocument", b"xl/", b"_rels/")


class TableRow(NamedTuple):
    """One row of a table: the number of its last line in the file, from 1, and its cells."""

    number: int
    cells: list[str]


class Table(Protocol):
    """A file whose rows can be read several times."""

    @property
    def path(self) -> Path:
        """The file."""
        ...

    @property
    def separators(self) -> str:
        """Characters by which its cells may be separated."""
        ...

    def rows(self, separator: str) -> Iterator[TableRow]:
        """Yield all rows from the beginning, also those before the names of the columns."""
        ...


class TextTable:
    """A text file with separators."""

    separators = ";\t,|"

    def __init__(self, path: Path) -> None:
        self.path = path

    def rows(self, separator: str) -> Iterator[TableRow]:
        """Yield all rows that are not empty. Raises ConfigurationError."""
        try:
            with _open_text(self.path) as text:
                reader = csv.reader(_check_lines(text, self.path), delimiter=separator)
                for cells in reader:
                    if cells:
                        yield TableRow(reader.line_num, cells)
        except csv.Error as error:
            raise ConfigurationError(
                f"{self.path}, line {reader.line_num}: not a row of a table ({error}); check its quotes"
            ) from None
        except (OSError, EOFError, UnicodeError, zlib.error) as error:
            raise ConfigurationError(f"{self.path}: the recording cannot be read ({_describe(error)})") from None


def _describe(error: Exception) -> str:
    if isinstance(error, IsADirectoryError):
        return "it is a folder; name a file in it"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or "the file is cut off"


def _open_text(path: Path) -> io.TextIOWrapper:
    file: BinaryIO = path.open("rb")
    is_packed = file.read(2) == _GZIP
    file.seek(0)
    if is_packed:
        file.close()
        file = gzip.open(path)  # type: ignore[assignment]  # noqa: SIM115 - the wrapper closes it
    buffered = io.BufferedReader(file)  # type: ignore[type-var]  # a file or a gzip stream: both are raw enough
    head = buffered.peek(_HEAD)[:_HEAD]
    kind = name_other_kind(head)
    if kind is not None:
        buffered.close()
        raise ConfigurationError(f"{path}: {kind}")
    return io.TextIOWrapper(buffered, encoding=_recognise_encoding(head), errors="latin-1-where-not-utf-8", newline="")


def name_other_kind(head: bytes) -> str | None:
    """Return the kind of a file that begins so, with the remedy; None if it may be a table of text."""
    for magic, kind in _OTHER_KINDS:
        if head.startswith(magic):
            is_office = magic.startswith(b"PK") and any(name in head for name in _OFFICE_FILES)
            return "a spreadsheet (.xlsx or .ods); save the sheet that is meant as CSV" if is_office else kind
    if head[257:262] == b"ustar":
        return "a tar archive; unpack it and name the file in it"
    text = head.removeprefix(_UTF8_BOM).lstrip()
    return next((kind for mark, kind in reversed(_OTHER_TEXTS) if text.startswith(mark)), None)


def _recognise_encoding(head: bytes) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if len(head) >= 4 and head[1::2].count(0) > len(head) // 4:
        return "utf-16-le"
    if len(head) >= 4 and head[::2].count(0) > len(head) // 4:
        return "utf-16-be"
    return "utf-8-sig"


def _read_as_latin_1(error: UnicodeError) -> tuple[str, int]:
    """Bytes that are not UTF-8 are Latin-1, as old spreadsheets write it; UTF-16 has no such second reading."""
    if isinstance(error, UnicodeDecodeError) and error.encoding.startswith("utf-8"):
        return error.object[error.start : error.end].decode("latin-1"), error.end
    raise error


codecs.register_error("latin-1-where-not-utf-8", _read_as_latin_1)


def _check_lines(text: io.TextIOWrapper, path: Path) -> Iterator[str]:
    number = 0
    while line := text.readline(_MAX_LINE):
        number += 1
        if len(line) == _MAX_LINE:
            raise ConfigurationError(
                f"{path}, line {number}: longer than {_MAX_LINE} characters; a recording has one moment per line"
            )
        line = line.removeprefix("\ufeff").rstrip("\x1a")  # files that were joined, and the end of a file of DOS
        if "\0" in line:
            raise ConfigurationError(f"{path}, line {number}: not text; a recording is a table of text or Parquet")
        yield line
