"""The selection of an export: one property at one station over a period, and the slices in which it is read."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from alerting.sql import load_queries
from gateway.model.legal_day import LEGAL_TIME_ZONE
from gateway.quality.calibration import CalibrationVersion

QUERIES = load_queries(Path(__file__).with_name("queries.sql"))


class Averaging(StrEnum):
    """Time over which values are averaged; `raw`: single readings."""

    RAW = "raw"
    MINUTE = "1min"
    HOUR = "1h"
    DAY = "1day"


class TableFormat(StrEnum):
    """File formats of a table; `csv-nl` opens with a double click in a Dutch spreadsheet program."""

    CSV = "csv"
    CSV_NL = "csv-nl"
    PARQUET = "parquet"


_SLICE_WIDTH = {
    Averaging.RAW: timedelta(hours=2),
    Averaging.MINUTE: timedelta(days=1),
    Averaging.HOUR: timedelta(days=10),
    Averaging.DAY: timedelta(days=30),
}


class MeanRow(NamedTuple):
    """A row of the queries of means, in the order of their columns. The bucket is [start, end).

    readings        all of them, without those whose time is not believed
    valid_count     readings that count: `mean`, `min` and `max` are of these, None if there are none
    expected_count  readings of a complete bucket; None if the interval of the readings is unknown
    flags           bits of all these readings: why some do not count
    """

    datastream: int
    start: datetime
    end: datetime
    readings: int
    valid_count: int
    expected_count: int | None
    mean: float | None
    min: float | None
    max: float | None
    flags: int


Rows = Sequence[Sequence[Any]]
Fetch = Callable[[str, Mapping[str, Any]], Awaitable[Rows]]


@dataclass(frozen=True, kw_only=True)
class Selection:
    """`ids` are the datastreams of the property at the station; the period is [start, end), in UTC.

    `humidity_datastreams` maps each of them to the humidity datastream of its place, if there is one. `calibrations`
    maps each of them to all versions of its calibration, if there are any. Days are legal days of `time_zone`, an IANA
    name.
    """

    station: str
    observed_property: str
    unit: str
    ids: Sequence[int]
    start: datetime
    end: datetime
    averaging: Averaging = Averaging.RAW
    humidity_datastreams: Mapping[int, int] = field(default_factory=dict)
    calibrations: Mapping[int, Sequence[CalibrationVersion]] = field(default_factory=dict)
    time_zone: str = LEGAL_TIME_ZONE

    @property
    def file_stem(self) -> str:
        """File name of the export, without extension."""
        return f"{self.station}-{self.observed_property}-{self.averaging}-{self.start:%Y%m%dT%H%M%SZ}"

    def parameters(self, start: datetime, end: datetime) -> dict[str, object]:
        """Return the parameters of a query of readings or means in this part of the period."""
        return {"ids": list(self.ids), "start": start, "end": end, "time_zone": self.time_zone}

    def slices(self) -> Iterator[tuple[datetime, datetime]]:
        """Yield the period in parts; each part is read in one query."""
        start, width = self.start, _SLICE_WIDTH[self.averaging]
        while start < self.end:
            end = min(self.end, start + width)
            yield start, end
            start = end
