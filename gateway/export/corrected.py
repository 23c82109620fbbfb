"""Corrected values for the rows of an export, from the humidity of the same time (quality.humidity_correction)."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from gateway.export.selection import Averaging, Fetch, MeanRow, Selection
from gateway.model.legal_day import day_start, next_day
from gateway.model.validity import is_excluded
from gateway.quality import humidity_correction
from gateway.quality.humidity_correction import NO_CORRECTION, AirHumidity, CorrectedValue, MissingCorrection

Corrector = Callable[[int, datetime, float | None, int, int], CorrectedValue]
"""(datastream, time or begin of the bucket, value, number of valid readings, flags of a reading) -> corrected value."""

_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)
_AIR_BUCKET = {Averaging.RAW: _MINUTE, Averaging.MINUTE: _MINUTE, Averaging.HOUR: _HOUR, Averaging.DAY: _HOUR}
_AIR_QUERY = {_MINUTE: "air_1min", _HOUR: "air_1h"}

AirByBucket = Mapping[tuple[int, datetime], AirHumidity]


async def build_corrector(selection: Selection, start: datetime, end: datetime, fetch: Fetch) -> Corrector:
    """Build the function that corrects the selection's values from `start` until before `end`."""
    if humidity_correction.find_rule(selection.observed_property) is None:
        return lambda *_: NO_CORRECTION
    width = _AIR_BUCKET[selection.averaging]
    period = _bucket_start(start, width), end
    if selection.averaging is Averaging.DAY:
        period = day_start(start, selection.time_zone), next_day(end - _MINUTE, selection.time_zone)
    air_by_bucket = await _load_air(selection, period, _AIR_QUERY[width], fetch)
    humidity = selection.humidity_datastreams
    if selection.averaging is Averaging.DAY:
        return _build_daily_corrector(await _load_hourly_means(selection, period, fetch), humidity, air_by_bucket)

    def correct(datastream: int, at: datetime, value: float | None, _: int, flags: int) -> CorrectedValue:
        if value is not None and is_excluded(flags):
            return None, MissingCorrection.VALUE_FLAGGED
        return humidity_correction.correct_for_humidity(
            value, air_by_bucket.get((humidity.get(datastream, 0), _bucket_start(at, width)))
        )

    return correct


async def _load_air(selection: Selection, period: tuple[datetime, datetime], query: str, fetch: Fetch) -> AirByBucket:
    ids = sorted(set(selection.humidity_datastreams.values()))
    if not ids:
        return {}
    air_rows = await fetch(query, {"ids": ids, "start": period[0], "end": period[1]})
    return {
        (datastream, bucket): AirHumidity(percent=percent, flags=flags)
        for datastream, bucket, percent, flags in air_rows
    }


MeansByDay = Mapping[tuple[int, datetime], list[tuple[datetime, float | None, int]]]


async def _load_hourly_means(selection: Selection, period: tuple[datetime, datetime], fetch: Fetch) -> MeansByDay:
    """Load the hourly means by datastream and legal day."""
    means_by_day: dict[tuple[int, datetime], list[tuple[datetime, float | None, int]]] = {}
    for row in map(MeanRow._make, await fetch("export_1h", selection.parameters(*period))):
        start, end = day_start(row.start, selection.time_zone), next_day(row.start, selection.time_zone)
        if row.end <= end:  # an hour of UTC that contains a midnight belongs to no day
            means_by_day.setdefault((row.datastream, start), []).append((row.start, row.mean, row.valid_count))
    return means_by_day


def _build_daily_corrector(hours: MeansByDay, humidity: Mapping[int, int], air_by_bucket: AirByBucket) -> Corrector:
    def correct(datastream: int, at: datetime, value: float | None, readings: int, _: int) -> CorrectedValue:
        humidity_id = humidity.get(datastream, 0)
        hourly_means = hours.get((datastream, at), [])
        corrected_means = [
            (humidity_correction.correct_for_humidity(mean, air_by_bucket.get((humidity_id, bucket)))[0], valid)
            for bucket, mean, valid in hourly_means
        ]
        return humidity_correction.correct_day(value, readings, corrected_means)

    return correct


def _bucket_start(at: datetime, width: timedelta) -> datetime:
    """Return the begin of the minute or hour (UTC) that contains `at`."""
    minute = at.astimezone(UTC).replace(second=0, microsecond=0)
    return minute if width == _MINUTE else minute.replace(minute=0)
