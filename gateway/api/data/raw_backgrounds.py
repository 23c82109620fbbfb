"""Backgrounds of raw signals, such as ticks of a sensor for VOC: the median of the hourly means of the last 24 hours.

Pages show such a signal as a share of it. An event has a separate background, that of the detector at its onset.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from alerting.vocabulary import ARBITRARY_UNITS
from gateway.api.data.database import Database
from gateway.api.data.registry import PublicRegistry

_PERIOD = timedelta(hours=24)
RawBackgrounds = Mapping[str, Mapping[str, float]]  # station -> property -> background in the unit of the property


@dataclass(frozen=True, kw_only=True)
class _BackgroundRow:
    datastream: int
    background: float


async def fetch_raw_backgrounds(database: Database, registry: PublicRegistry, until: datetime) -> RawBackgrounds:
    """The backgrounds at `until`; of two nodes at one station the first one counts. HTTPException 503: no database."""
    ids = [
        id_
        for id_, row in registry.datastreams.items()
        if registry.properties[row.observed_property].unit in ARBITRARY_UNITS
    ]
    if not ids:
        return {}
    values = {"ids": ids, "start": until - _PERIOD, "end": until}
    backgrounds: dict[str, dict[str, float]] = {}
    for row in sorted(await database.fetch(_BackgroundRow, "select_raw_backgrounds", values), key=_order):
        datastream = registry.datastreams[row.datastream]
        backgrounds.setdefault(datastream.station, {}).setdefault(datastream.observed_property, row.background)
    return backgrounds


def _order(row: _BackgroundRow) -> int:
    return row.datastream
