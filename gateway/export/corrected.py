"""Corrected values for the rows of an export: by the calibration of the node, else by the rule of the property.

The humidity of the same time is loaded if a rule needs it.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta

from gateway.export.selection import Averaging, Fetch, MeanRow, Selection
from gateway.model.legal_day import day_start, next_day
from gateway.model.validity import is_excluded
from gateway.quality.calibration import AppliedRule, find_calibration
from gateway.quality.correction import apply_rule, choose_rule
from gateway.quality.humidity_correction import AirHumidity, MissingCorrection, correct_day, find_rule

LabelledCorrection = tuple[float | None, MissingCorrection | None, str | None]
"""(corrected value, why there is none, label of the rule that holds). A day by several rules has all their labels."""
Corrector = Callable[[int, datetime, float | None, int, int], LabelledCorrection]
"""(datastream, time or begin of the bucket, value, number of valid readings, flags of a reading) -> correction."""
_NO_RULE: LabelledCorrection = (None, None, None)

_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)
_AIR_BUCKET = {Averaging.RAW: _MINUTE, Averaging.MINUTE: _MINUTE, Averaging.HOUR: _HOUR, Averaging.DAY: _HOUR}
_AIR_QUERY = {_MINUTE: "air_1min", _HOUR: "air_1h"}

AirByBucket = Mapping[tuple[int, datetime], AirHumidity]


async def build_corrector(selection: Selection, start: datetime, end: datetime, fetch: Fetch) -> Corrector:
    """Build the function that corrects the selection's values from `start` until before `end`."""
    if find_rule(selection.observed_property) is None and not selection.calibrations:
        return lambda *_: _NO_RULE
    width = _AIR_BUCKET[selection.averaging]
    period = _bucket_start(start, width), end
    if selection.averaging is Averaging.DAY:
        period = day_start(start, selection.time_zone), next_day(end - _MINUTE, selection.time_zone)
    air_by_bucket = await _load_air(selection, period, _AIR_QUERY[width], fetch)
    if selection.averaging is Averaging.DAY:
        return _build_daily_corrector(selection, await _load_hourly_means(selection, period, fetch), air_by_bucket)
    humidity = selection.humidity_datastreams

    def correct(datastream: int, at: datetime, value: float | None, _: int, flags: int) -> LabelledCorrection:
        rule = find_applied_rule(selection, datastream, at)
        if rule is None:
            return _NO_RULE
        if value is not None and is_excluded(flags):
            return None, MissingCorrection.VALUE_FLAGGED, rule.label
        air = air_by_bucket.get((humidity.get(datastream, 0), _bucket_start(at, width)))
        return *apply_rule(rule, value, air), rule.label

    return correct


def find_applied_rule(selection: Selection, datastream: int, at: datetime) -> AppliedRule | None:
    """Return the rule by which values of a datastream are corrected at a moment; None: they are not."""
    calibration = find_calibration(selection.calibrations.get(datastream, ()), at)
    return choose_rule(selection.observed_property, calibration)


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


def _build_daily_corrector(selection: Selection, hours: MeansByDay, air_by_bucket: AirByBucket) -> Corrector:
    humidity = selection.humidity_datastreams

    def correct(datastream: int, at: datetime, value: float | None, readings: int, _: int) -> LabelledCorrection:
        humidity_id = humidity.get(datastream, 0)
        hourly_means = hours.get((datastream, at), [])
        rules = [find_applied_rule(selection, datastream, bucket) for bucket, _, _ in hourly_means]
        label = _join_labels(rules or [find_applied_rule(selection, datastream, at)])
        if label is None:
            return _NO_RULE
        corrected_means = [
            (apply_rule(rule, mean, air_by_bucket.get((humidity_id, bucket)))[0], valid)
            for rule, (bucket, mean, valid) in zip(rules, hourly_means, strict=True)
        ]
        return *correct_day(value, readings, corrected_means), label

    return correct


def _join_labels(rules: Iterable[AppliedRule | None]) -> str | None:
    """Return the labels of these rules in their order, each once; None without any."""
    return " ".join(dict.fromkeys(rule.label for rule in rules if rule is not None)) or None


def _bucket_start(at: datetime, width: timedelta) -> datetime:
    """Return the begin of the minute or hour (UTC) that contains `at`."""
    minute = at.astimezone(UTC).replace(second=0, microsecond=0)
    return minute if width == _MINUTE else minute.replace(minute=0)
