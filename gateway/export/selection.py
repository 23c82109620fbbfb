"""What is exported: one property at one station between two moments, and in which slices it is read."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from alerting.sql import load_queries

QUERIES = load_queries(Path(__file__).with_name("queries.sql"))


class Averaging(StrEnum):
    """Over what time a figure is a mean; `raw`: a single reading."""

    RAW = "raw"
    MINUTE = "1min"
    HOUR = "1h"
    DAY = "1day"


class TableFormat(StrEnum):
    """What a table can be written as."""

    CSV = "csv"
    PARQUET = "parquet"


_SLICE_WIDTH = {
    Averaging.RAW: timedelta(hours=2),
    Averaging.MINUTE: timedelta(days=1),
    Averaging.HOUR: timedelta(days=10),
    Averaging.DAY: timedelta(days=30),
}

Rows = Sequence[Sequence[Any]]
Fetch = Callable[[str, Mapping[str, Any]], Awaitable[Rows]]


@dataclass(frozen=True, kw_only=True)
class Selection:
    """`ids` are the datastreams that measured the property there; the period is [start, end), in UTC.

    `humidity`: of each of them the datastream that tells how humid it was there, where there is one.
    """

    station: str
    observed_property: str
    unit: str
    ids: Sequence[int]
    start: datetime
    end: datetime
    averaging: Averaging = Averaging.RAW
    humidity_datastreams: Mapping[int, int] = field(default_factory=dict)

    @property
    def file_stem(self) -> str:
        """A file's name for it, without its extension."""
        return f"{self.station}-{self.observed_property}-{self.averaging}-{self.start:%Y%m%dT%H%M%SZ}"

    def slices(self) -> Iterator[tuple[datetime, datetime]]:
        """The period in parts of which each is read at once."""
        start, width = self.start, _SLICE_WIDTH[self.averaging]
        while start < self.end:
            end = min(self.end, start + width)
            yield start, end
            start = end
