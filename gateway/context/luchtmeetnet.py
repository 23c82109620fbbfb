"""Answers of Luchtmeetnet's open API, `/open_api/stations/{number}/measurements`, also saved as a file. Pure.

A row is a mean over the hour that ends at `timestamp_measured`, in ug/m3. The index LKI has its own formula and is left
out: it is no measurement.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from math import isfinite

from msgspec import DecodeError, Struct, ValidationError, json

from gateway.context.values import ContextError, ContextValue

_PROPERTIES: Mapping[str, str] = {
    "PM10": "pm10", "PM25": "pm2_5", "NO2": "no2", "NO": "no", "O3": "o3", "SO2": "so2", "C6H6": "benzene",
}  # fmt: skip
_HOUR = timedelta(hours=1)


class _Pagination(Struct, frozen=True):
    last_page: int = 1


class _Row(Struct, frozen=True):
    formula: str
    timestamp_measured: datetime
    value: float | None = None
    station_number: str = ""


class _Answer(Struct, frozen=True):
    data: list[_Row]
    pagination: _Pagination = _Pagination()


class MeasurementPage(Struct, frozen=True, kw_only=True):
    """A page of measurements. `last_page`: number of the last one, from 1."""

    values: list[ContextValue]
    last_page: int


def parse_page(content: bytes, station: str = "") -> MeasurementPage:
    """Return the measurements of an answer. `station`: of rows without one. Raises ContextError."""
    try:
        answer = json.decode(content, type=_Answer)
    except (DecodeError, ValidationError) as error:
        raise ContextError(f"no answer of Luchtmeetnet: {error}") from None
    values = []
    for row in answer.data:
        if row.timestamp_measured.tzinfo is None:
            raise ContextError(f"no answer of Luchtmeetnet: the time {row.timestamp_measured} has no offset")
        name = _PROPERTIES.get(row.formula)
        number = row.station_number or station
        if name is None or row.value is None or not isfinite(row.value) or not number:
            continue  # an index, a substance without a level here, or an hour without a mean
        start = row.timestamp_measured - _HOUR
        values.append(
            ContextValue(
                station=number, observed_property=name, start=start, seconds=3_600, value=row.value, unit="ug/m3"
            )
        )
    return MeasurementPage(values=values, last_page=max(1, answer.pagination.last_page))
