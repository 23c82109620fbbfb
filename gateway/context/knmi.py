"""Answers of KNMI's Environmental Data Retrieval API in CoverageJSON, also saved as a file. Pure.

Collection `10-minute-in-situ-meteorological-observations`: a value is a mean over the ten minutes that end at its time.
A direction of 0 is calm and 990 is variable: neither is a direction.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from math import isfinite

from msgspec import DecodeError, Struct, ValidationError, json

from gateway.context.values import ContextError, ContextValue

PARAMETERS: Mapping[str, tuple[str, str]] = {
    "dd": ("wind_direction", "deg"), "ff": ("wind_speed", "m/s"), "ta": ("temperature", "Cel"),
    "rh": ("humidity", "%"), "pp": ("pressure", "hPa"),
}  # fmt: skip
_TEN_MINUTES = timedelta(minutes=10)
_NO_DIRECTION = (0.0, 990.0)


class _TimeAxis(Struct, frozen=True):
    values: list[datetime]


class _Axes(Struct, frozen=True):
    t: _TimeAxis


class _Domain(Struct, frozen=True):
    axes: _Axes


class _Range(Struct, frozen=True):
    values: list[float | None]


class _Coverage(Struct, frozen=True):
    ranges: dict[str, _Range]
    domain: _Domain


class _Collection(Struct, frozen=True):
    coverages: list[_Coverage]


def parse_coverage(content: bytes, station: str) -> list[ContextValue]:
    """Return the values of an answer about one station. Raises ContextError."""
    values = []
    for coverage in _decode(content):
        times = coverage.domain.axes.t.values
        for name, series in coverage.ranges.items():
            if name not in PARAMETERS:
                continue
            if len(series.values) != len(times):
                raise ContextError(f"no answer of KNMI: {name} has {len(series.values)} values for {len(times)} times")
            values += _build_values(name, times, series.values, station)
    return values


def _decode(content: bytes) -> Sequence[_Coverage]:
    try:
        kind = json.decode(content, type=dict[str, object]).get("type")
        if kind == "CoverageCollection":
            return json.decode(content, type=_Collection).coverages
        return [json.decode(content, type=_Coverage)]
    except (DecodeError, ValidationError) as error:
        raise ContextError(f"no answer of KNMI in CoverageJSON: {error}") from None


def _build_values(
    name: str, times: Sequence[datetime], numbers: Sequence[float | None], station: str
) -> list[ContextValue]:
    observed_property, unit = PARAMETERS[name]
    values = []
    for at, number in zip(times, numbers, strict=True):
        if at.tzinfo is None:
            raise ContextError(f"no answer of KNMI: the time {at.isoformat()} has no offset")
        if number is None or not isfinite(number) or (name == "dd" and number in _NO_DIRECTION):
            continue
        values.append(
            ContextValue(
                station=station,
                observed_property=observed_property,
                start=at - _TEN_MINUTES,
                seconds=600,
                value=number,
                unit=unit,
            )
        )
    return values
