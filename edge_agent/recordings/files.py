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
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"


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

    separators = ";\t,"

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
    head = file.read(4)
    file.seek(0)
    if head.startswith(_ZIP):
        file.close()
        raise ConfigurationError(f"{path}: a ZIP file; unpack it and name the file in it")
    if head.startswith(_GZIP):
        file.close()
        file = gzip.open(path)  # type: ignore[assignment]  # noqa: SIM115 - the wrapper closes it
    buffered = io.BufferedReader(file)  # type: ignore[type-var]  # a file or a gzip stream: both are raw enough
    encoding = _recognise_encoding(buffered.peek(4096)[:4096])
    return io.TextIOWrapper(buffered, encoding=encoding, errors="latin-1-where-not-utf-8", newline="")


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
        if "\0" in line:
            raise ConfigurationError(f"{path}, line {number}: not text; a recording is a table of text or Parquet")
        yield line
