"""Samples of a laboratory from a CSV file, for the Hazard Index. Pure.

Columns: `station`, `substance`, `start`, `end`, `value`, `unit` (ug/m3, mg/m3 or ng/m3), `uncertainty` (relative and
expanded, such as 0.2), `laboratory`; optional `method`.
"""

from collections.abc import Container
from datetime import datetime, tzinfo

from msgspec import Struct

from gateway.model.csv_table import CsvRow, TableFileError, read_rows

_NEEDED = ("station", "substance", "start", "end", "value", "unit", "uncertainty", "laboratory")
_MICROGRAMS = {"ug/m3": 1.0, "µg/m3": 1.0, "mg/m3": 1e3, "ng/m3": 1e-3}
_LARGEST = 1e9


class SampleRow(Struct, frozen=True, kw_only=True):
    """A sample at a station, in ug/m3."""

    station: str
    substance: str
    start: datetime
    end: datetime
    value: float
    uncertainty: float
    laboratory: str
    method: str = ""


def parse_samples(
    content: bytes,
    zone: tzinfo | None,
    now: datetime,
    *,
    stations: Container[str],
    substances: Container[str],
    decimal_comma: bool = False,
) -> list[SampleRow]:
    """Return the samples. Raises TableFileError with the first line that cannot be used.

    `stations` are registered, `substances` have a limit: a substance without one has no place in the index.
    """
    samples = []
    for row in read_rows(content, _NEEDED):
        sample = _read_row(row, zone, decimal_comma=decimal_comma)
        if sample.station not in stations:
            raise TableFileError(f"{row.where}: no station {sample.station!r}; `piekwacht site show` prints them")
        if sample.substance not in substances:
            raise TableFileError(
                f"{row.where}: {sample.substance!r} has no limit; "
                "add it to [[assessment.hazard_index.substance]] with limit, source and date"
            )
        if sample.end > now:
            raise TableFileError(f"{row.where}: the sample ends in the future; check the time zone")
        samples.append(sample)
    return samples


def _read_row(row: CsvRow, zone: tzinfo | None, *, decimal_comma: bool) -> SampleRow:
    unit = row.required("unit")
    if unit not in _MICROGRAMS:
        raise TableFileError(f"{row.where}: the unit {unit!r} is unknown; ug/m3, mg/m3 and ng/m3 can be read")
    value = row.number("value", decimal_comma=decimal_comma) * _MICROGRAMS[unit]
    uncertainty = row.number("uncertainty", decimal_comma=decimal_comma)
    if not 0 <= value < _LARGEST:
        raise TableFileError(f"{row.where}: value must be 0 or more; a value below detection is its limit of detection")
    if not 0 <= uncertainty <= 10:
        raise TableFileError(f"{row.where}: uncertainty must be a share such as 0.2, and no percentage")
    start, end = row.time("start", zone), row.time("end", zone)
    if start >= end:
        raise TableFileError(f"{row.where}: end must be after start")
    return SampleRow(
        station=row.required("station"),
        substance=row.required("substance"),
        start=start,
        end=end,
        value=value,
        uncertainty=uncertainty,
        laboratory=row.required("laboratory"),
        method=row.text("method"),
    )
