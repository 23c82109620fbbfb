"""Values of KNMI and Luchtmeetnet on the pages of a station and of an event: the region beside a curve."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from fastapi import HTTPException
from msgspec import Struct

from alerting.vocabulary import compass_direction
from gateway.api.data.context_values import StoredContext, load_context
from gateway.api.pages.chart import Line
from gateway.api.pages.renderer import View
from gateway.api.schemas.observations import Mean
from gateway.assessment.averaging import COMPLETE_HOUR_SHARE
from gateway.model.timestamps import format_instant

_WIND = ("wind_direction", "wind_speed")
_DAY = timedelta(days=1)
_FLAT = 1e9  # s: a line of one value has no gap


class RegionHour(Struct, frozen=True, kw_only=True):
    """An hour: the mean here if it is complete, and at each station of the region, in their order; None: no value."""

    start: str
    here: float | None
    others: Sequence[float | None]


class RegionTable(Struct, frozen=True, kw_only=True):
    """Hours of the last day beside the region. `names`: stations; `credits`: owners of the values."""

    names: Sequence[str]
    credits: Sequence[str]
    hours: Sequence[RegionHour]


class RegionValue(Struct, frozen=True, kw_only=True):
    """A value of the region at the time of an event, as text."""

    name: str
    what: str
    value: str
    start: str
    minutes: int
    credit: str


async def fetch_region_table(view: View, station: str, name: str, hours: Sequence[Mean]) -> RegionTable | None:
    """Return the last day beside the region; None without a value of the region, or if it cannot be read now."""
    area = view.registry.stations[station].area
    values = await _try_load(view, area, [name], (view.now - _DAY, view.now))
    hourly = [value for value in values if value.seconds == 3_600]
    if not hourly:
        return None
    names = dict.fromkeys((value.source, value.station) for value in hourly)
    by_hour = dict[datetime, dict[tuple[str, str], float]]()
    for value in hourly:
        by_hour.setdefault(value.start, {})[value.source, value.station] = value.value
    here: Mapping[datetime, float | None] = {
        datetime.fromisoformat(mean.start): mean.mean for mean in hours if _is_complete(mean)
    }
    labels = {(value.source, value.station): value.name for value in hourly}
    return RegionTable(
        names=[labels[key] for key in names],
        credits=list(dict.fromkeys(value.attribution for value in hourly)),
        hours=[
            RegionHour(
                start=format_instant(start), here=here.get(start), others=[by_hour[start].get(key) for key in names]
            )
            for start in sorted(by_hour, reverse=True)
        ],
    )


def _is_complete(mean: Mean) -> bool:
    """Whether an hour here has as many readings as an hour of the other networks: three quarters."""
    return bool(mean.expected_count) and mean.valid_count >= COMPLETE_HOUR_SHARE * (mean.expected_count or 0)


async def fetch_event_region(
    view: View, area: str, name: str, period: tuple[datetime, datetime]
) -> Sequence[StoredContext]:
    """Return the values of the region over the period of an event's chart, with the wind."""
    return await _try_load(view, area, [name, *_WIND], period)


def build_region_lines(values: Sequence[StoredContext], name: str, period: tuple[datetime, datetime]) -> list[Line]:
    """A flat line for each mean of the region, within the period of the chart."""
    return [
        Line(
            points=[(max(value.start, period[0]), value.value), (min(value.end, period[1]), value.value)],
            css="region",
            step=_FLAT,
        )
        for value in values
        if value.observed_property == name and value.end > period[0] and value.start < period[1]
    ]


def list_region_values(view: View, values: Sequence[StoredContext], at: datetime) -> list[RegionValue]:
    """The means of the region that contain a moment, such as a peak."""
    return [
        RegionValue(
            name=value.name,
            what=view.name_of(value.observed_property),
            value=_format_value(view, value),
            start=format_instant(value.start),
            minutes=value.seconds // 60,
            credit=value.attribution,
        )
        for value in values
        if value.start <= at < value.end
    ]


def _format_value(view: View, value: StoredContext) -> str:
    number = f"{view.number(value.value)} {view.unit_of(value.unit)}"
    if value.observed_property == "wind_direction":
        return f"{compass_direction(value.value, view.language)} ({number})"
    return number


async def _try_load(
    view: View, area: str, properties: Sequence[str], period: tuple[datetime, datetime]
) -> Sequence[StoredContext]:
    """Context is never a reason for a page to fail."""
    try:
        return await load_context(view.request.app.state.database, area, properties, period)
    except HTTPException:
        return []
