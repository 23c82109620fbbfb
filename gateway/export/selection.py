"""The selection of an export: one property at one station over a period, and the slices in which it is read."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from alerting.sql import load_queries

QUERIES = load_queries(Path(__file__).with_name("queries.sql"))


class Averaging(StrEnum):
    """Time over which values are averaged; `raw`: single readings."""

    RAW = "raw"
    MINUTE = "1min"
    HOUR = "1h"
    DAY = "1day"


class TableFormat(StrEnum):
    """File formats of a table."""

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
    """`ids` are the datastreams of the property at the station; the period is [start, end), in UTC.

    `humidity_datastreams` maps each of them to the humidity datastream of its place, if there is one.
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
        """File name of the export, without extension."""
        return f"{self.station}-{self.observed_property}-{self.averaging}-{self.start:%Y%m%dT%H%M%SZ}"

    def slices(self) -> Iterator[tuple[datetime, datetime]]:
        """Yield the period in parts; each part is read in one query."""
        start, width = self.start, _SLICE_WIDTH[self.averaging]
        while start < self.end:
            end = min(self.end, start + width)
            yield start, end
            start = end
