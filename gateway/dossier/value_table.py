"""The table of values of a dossier: minutes around an event, or quarters of an hour of a longer period. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from alerting.averaging import AveragingRule, average_weighted
from gateway.api.pages.formats import Formats
from gateway.dossier.contents import Chapter, Contents, MinuteMean
from gateway.dossier.request import EventRequest
from gateway.dossier.summary import measure_completeness
from gateway.model.properties import average_of
from gateway.model.texts import texts_of

_MAX_ROWS = 150  # of the table of values; a longer period is shown by quarters of an hour
_MARGIN = timedelta(minutes=5)  # minutes before and after an event in the table


class ValueRow(Struct, frozen=True, kw_only=True):
    """A line of the table of values. `is_event`: an event held in it."""

    time: str
    readings: int
    expected: int | None
    valid: int
    mean: float | None
    max: float | None
    corrected: float | None
    remarks: str
    is_event: bool


class ValueTable(Struct, frozen=True, kw_only=True):
    """The table of values: a line per `minutes`."""

    title: str
    minutes: int
    rows: list[ValueRow]


def build_value_table(contents: Contents, chapter: Chapter, formats: Formats) -> ValueTable:
    """Values by minute around the event; by quarters of an hour if these are too many lines."""
    texts = texts_of("dossier", formats.language)
    minutes = chapter.series.minutes
    if isinstance(contents.request, EventRequest):
        event = chapter.events[0]
        minutes = chapter.series.minutes_between(event.onset - _MARGIN, (event.end or contents.end) + _MARGIN)
    if len(minutes) <= _MAX_ROWS:
        rows = [_build_row(contents, chapter, [minute], formats) for minute in _fill_minutes(minutes)]
        return ValueTable(title=texts["minutes_title"], minutes=1, rows=rows)
    quarters: dict[datetime, list[MinuteMean]] = {}
    for minute in minutes:
        quarter = minute.start.replace(minute=minute.start.minute // 15 * 15)
        quarters.setdefault(quarter, []).append(minute)
    rows = [_build_row(contents, chapter, group, formats) for group in quarters.values()]
    return ValueTable(title=texts["hours_title"], minutes=15, rows=rows)


def _build_row(contents: Contents, chapter: Chapter, minutes: Sequence[MinuteMean], formats: Formats) -> ValueRow:
    """One line; the mean of several minutes is that of their valid readings."""
    texts, rule = texts_of("dossier", formats.language), average_of(chapter.observed_property.id)
    completeness = measure_completeness(minutes)
    start, end = minutes[0].start, minutes[-1].end
    is_event = any(
        event.onset < end and (event.end or contents.end) > start for event in chapter.events if event.is_peak
    )
    highest = [minute.max for minute in minutes if minute.max is not None]
    remarks = formats.flags(list(completeness.flags))
    return ValueRow(
        time=formats.short_time(start.isoformat()),
        readings=completeness.readings,
        expected=completeness.expected,
        valid=completeness.valid,
        mean=_weighted_mean([(minute.mean, minute.valid_count) for minute in minutes], rule),
        max=max(highest, default=None),
        corrected=_weighted_mean([(minute.corrected, minute.valid_count) for minute in minutes], rule),
        remarks=remarks or ("" if completeness.valid else texts["no_value" if completeness.readings else "legend_gap"]),
        is_event=is_event,
    )


def _fill_minutes(minutes: Sequence[MinuteMean]) -> Iterator[MinuteMean]:
    """The minutes, with an empty one where nothing was received between two of them."""
    width = timedelta(minutes=1)
    previous: MinuteMean | None = None
    for minute in minutes:
        while previous is not None and previous.end < minute.start:
            start = previous.end
            nothing = previous._replace(
                start=start, end=start + width, readings=0, valid_count=0, mean=None, min=None, max=None, flags=0,
                corrected=None, rule=None, uncorrected=None,
            )  # fmt: skip
            yield nothing
            previous = nothing
        yield minute
        previous = minute


def _weighted_mean(means: Sequence[tuple[float | None, int]], rule: AveragingRule) -> float | None:
    """The mean of means, weighted by their valid readings; None if any that has readings is missing."""
    if len(means) == 1:
        return means[0][0]
    counted = [(mean, count) for mean, count in means if count]
    total = sum(count for _, count in counted)
    if not total or any(mean is None for mean, _ in counted):
        return None
    return average_weighted([(mean, count) for mean, count in counted if mean is not None], rule)
