"""Single readings of a station for charts of short peaks, which would disappear in a mean over a minute."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from alerting.averaging import AveragingRule, average_values
from gateway.api.data.database import Database
from gateway.api.pages.renderer import View
from gateway.export.selection import Averaging
from gateway.model.validity import is_undated, valid_value

ChartPoint = tuple[datetime, float | None]
GAP_SECONDS = 20.0  # longer intervals between readings are drawn as a gap


async def fetch_readings(view: View, station: str, name: str, period: tuple[datetime, datetime]) -> list[ChartPoint]:
    """Single readings of a property; None: the reading does not count."""
    selection = view.latest_values.registry.build_selection(station, name, period, Averaging.RAW)
    if not selection.ids:
        return []
    database: Database = view.request.app.state.database
    rows = await database.fetch_rows("export_raw", selection.parameters(*period))
    return [(at, valid_value(value, flags)) for _, at, value, flags, *_ in rows if not is_undated(flags)]


def average_ten_seconds(points: Sequence[ChartPoint], rule: AveragingRule) -> list[ChartPoint]:
    """Means over ten seconds, at their middle."""
    buckets: dict[datetime, list[float]] = {}
    for at, value in points:
        if value is not None:
            buckets.setdefault(at.replace(second=at.second // 10 * 10, microsecond=0), []).append(value)
    return [(at + timedelta(seconds=5), average_values(values, rule)) for at, values in sorted(buckets.items())]
