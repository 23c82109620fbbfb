"""Corrected values beside raw ones: the humidity is read with them (quality.humidity_correction)."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from gateway.export.selection import Averaging, Fetch, Selection
from gateway.quality import humidity_correction
from gateway.quality.humidity_correction import NOTHING, Air, Corrected

Correct = Callable[[int, datetime, float | None, int], Corrected]
"""(datastream, moment or beginning of the bucket, value, readings with a value) -> what stands beside it."""

_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_WIDTH = {Averaging.RAW: _MINUTE, Averaging.MINUTE: _MINUTE, Averaging.HOUR: _HOUR, Averaging.DAY: _HOUR}
_QUERY = {_MINUTE: "air_1min", _HOUR: "air_1h"}

Airs = Mapping[tuple[int, datetime], Air]


async def corrections(selection: Selection, start: datetime, end: datetime, fetch: Fetch) -> Correct:
    """What corrects the selection's values from `start` until before `end`."""
    if humidity_correction.rule_for(selection.observed_property) is None:
        return lambda *_: NOTHING
    width = _WIDTH[selection.averaging]
    period = _begin(start, width), end
    if selection.averaging is Averaging.DAY:
        period = _begin(start, _DAY), _begin(end - _MINUTE, _DAY) + _DAY
    airs = await _airs(selection, period, _QUERY[width], fetch)
    humidity = selection.humidity
    if selection.averaging is Averaging.DAY:
        return _days(await _hours(selection, period, fetch), humidity, airs)

    def correct(datastream: int, at: datetime, value: float | None, _: int) -> Corrected:
        return humidity_correction.dry(value, airs.get((humidity.get(datastream, 0), _begin(at, width))))

    return correct


async def _airs(selection: Selection, period: tuple[datetime, datetime], query: str, fetch: Fetch) -> Airs:
    ids = sorted(set(selection.humidity.values()))
    if not ids:
        return {}
    rows = await fetch(query, {"ids": ids, "start": period[0], "end": period[1]})
    return {(row[0], row[1]): Air(humidity=row[2], flags=row[3]) for row in rows}


Hours = Mapping[tuple[int, datetime], list[tuple[datetime, float | None, int]]]


async def _hours(selection: Selection, period: tuple[datetime, datetime], fetch: Fetch) -> Hours:
    """Hourly means by datastream and day (UTC)."""
    asked = {"ids": list(selection.ids), "start": period[0], "end": period[1]}
    out: dict[tuple[int, datetime], list[tuple[datetime, float | None, int]]] = {}
    for datastream, bucket, _, valid, mean, *_rest in await fetch("export_1h", asked):
        out.setdefault((datastream, _begin(bucket, _DAY)), []).append((bucket, mean, valid))
    return out


def _days(hours: Hours, humidity: Mapping[int, int], airs: Airs) -> Correct:
    def correct(datastream: int, at: datetime, value: float | None, readings: int) -> Corrected:
        source = humidity.get(datastream, 0)
        there = hours.get((datastream, at), [])
        dried = [(humidity_correction.dry(mean, airs.get((source, bucket)))[0], valid) for bucket, mean, valid in there]
        return humidity_correction.day(value, readings, dried)

    return correct


def _begin(at: datetime, width: timedelta) -> datetime:
    """Of the minute, hour or day (UTC) in which a moment lies."""
    if width == _MINUTE:
        return at.replace(second=0, microsecond=0)
    begun = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return begun if width == _HOUR else begun.replace(hour=0)
