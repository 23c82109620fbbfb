"""Which spans of time a refresh of the means covers: days, from the oldest to the newest. Pure.

Means are refreshed day by day, so that no transaction is long. The order matters: an aggregate computes from the
readings only what is newer than its newest filled bucket. A gap behind that would be missing from every answer.
If finer values may have been deleted, nothing is refreshed: TimescaleDB would empty the means of that time.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from msgspec import Struct

_DAY = timedelta(days=1)
# Late data of up to 30 days (the longest backlog that a node holds) are within reach of each run.
OLD_AFTER = timedelta(days=30)

Span = tuple[datetime, datetime]


class MeansView(Struct, frozen=True, kw_only=True):
    """One of the means, the table that it is made from, and which part a run refreshes.

    `reach` and `lag`: a run covers what is younger than `reach` and older than `lag`, as TimescaleDB's policies do.
    A refresh fills whole buckets only. A day's span has `margin` more on both sides, so that legal days fit into it.
    A span shorter than `shortest` is left out: it may hold no whole bucket, which TimescaleDB refuses.
    """

    name: str
    finer: str
    reach: timedelta
    lag: timedelta
    margin: timedelta = timedelta(0)
    shortest: timedelta


VIEWS: Sequence[MeansView] = (
    MeansView(
        name="observation_1min",
        finer="observation",
        reach=OLD_AFTER,
        lag=timedelta(minutes=2),
        shortest=timedelta(minutes=2),
    ),
    MeansView(
        name="observation_1h",
        finer="observation_1min",
        reach=timedelta(days=31),
        lag=timedelta(hours=2),
        shortest=timedelta(hours=2),
    ),
    MeansView(
        name="observation_1day",
        finer="observation_1h",
        reach=timedelta(days=33),
        lag=timedelta(days=2),
        margin=_DAY,
        shortest=timedelta(hours=50),  # two days of 25 hours
    ),
)


def floor_day(moment: datetime) -> datetime:
    """Return the midnight, in UTC, at or before a moment."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def list_days(chunks: Iterable[Span]) -> list[datetime]:
    """Return every day, in UTC, of which a chunk holds a part: the days that can have readings, ascending."""
    days = set()
    for since, until in chunks:
        day = floor_day(since)
        while day < until:
            days.add(day)
            day += _DAY
    return sorted(days)


def find_border(view: MeansView, dropped_before: Mapping[str, datetime]) -> datetime | None:
    """Return the moment before which a view is not refreshed, because values may have been deleted; None: nowhere."""
    return max((dropped_before[name] for name in (view.finer, view.name) if name in dropped_before), default=None)


def find_recent_start(view: MeansView, now: datetime, filled_until: datetime | None) -> datetime | None:
    """Return where a run begins: `reach` ago, or earlier if nothing is filled since. None: at the oldest reading."""
    return None if filled_until is None else floor_day(min(now - view.reach, filled_until))


def iterate_spans(
    view: MeansView, days: Iterable[datetime], *, since: datetime | None, until: datetime
) -> Iterator[Span]:
    """Yield the span to refresh for each of these days, within [since, until)."""
    for day in days:
        if day >= until or (since is not None and day + _DAY <= since):
            continue
        start, end = day - view.margin, min(day + _DAY + view.margin, until)
        if since is not None:
            start = max(start, since)
        if end - start >= view.shortest:
            yield start, end
