"""Hourly means for the twin of Luchtmeetnet: complete hours of stations, of readings that count."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from gateway.api.data.database import Database
from gateway.api.data.registry import PublicRegistry
from gateway.api.luchtmeetnet.documents import FORMULAS, HOUR, Hour
from gateway.export.selection import MeanRow

_DATA_CAPTURE = 0.75  # of an hour: 45 minutes


async def fetch_hours(
    database: Database,
    registry: PublicRegistry,
    stations: Sequence[str],
    formulas: Iterable[str],
    period: tuple[datetime, datetime],
    *,
    now: datetime,
) -> list[Hour]:
    """The hours that end in the period, newest first; of two nodes the one with more readings counts.

    Raises HTTPException 503 if the database needs more than 5 s.
    """
    places = {
        id_: (station, formula)
        for formula in formulas
        for station in stations
        for id_ in registry.datastreams_of(station, FORMULAS[formula])
    }
    end = min(period[1] - HOUR, _last_hour(now))
    values = {"ids": list(places), "start": period[0] - HOUR, "end": end}
    rows = map(MeanRow._make, await database.fetch_costly_rows("select_means_1h", values)) if places else ()
    best: dict[tuple[str, str, datetime], MeanRow] = {}
    for row in rows:
        key = (*places[row.datastream], row.start)
        if is_complete(row) and (key not in best or best[key].valid_count < row.valid_count):
            best[key] = row
    hours = [Hour(station=s, formula=f, start=at, value=float(row.mean or 0)) for (s, f, at), row in best.items()]
    return sorted(hours, key=lambda hour: (hour.start, hour.station, hour.formula), reverse=True)


def is_complete(row: MeanRow) -> bool:
    """Whether three quarters of the readings of an hour count."""
    return (
        row.mean is not None
        and row.expected_count is not None
        and row.valid_count >= _DATA_CAPTURE * row.expected_count
    )


def _last_hour(now: datetime) -> datetime:
    """The beginning of the hour that goes on: no hour begins from it on that is over."""
    return now.replace(minute=0, second=0, microsecond=0)
