"""State of a running demo, for its screen: newest values, newest peaks, counts, and what the inspectorate received."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg.rows import class_row

from alerting.sql import load_queries
from gateway.demo.inspector_login import InspectorLogin
from gateway.demo.receivers import ReceivedNotification

_QUERIES = load_queries(Path(__file__).with_name("queries.sql"))


@dataclass(frozen=True, kw_only=True)
class StationValues:
    """The newest values of one station: PM in ug/m3, VOC in ticks of the sensor."""

    station: str
    name: str
    observed_at: datetime
    pm2_5: float | None = None
    pm10: float | None = None
    voc_raw: float | None = None


@dataclass(frozen=True, kw_only=True)
class Peak:
    """One event of the air, as it is now."""

    station: str
    name: str
    observed_property: str
    severity: str
    peak: float
    background: float
    confidence: float
    onset: datetime
    is_open: bool


@dataclass(frozen=True, kw_only=True)
class StoredCounts:
    """Rows of the database."""

    batches: int = 0
    events: int = 0
    quarantined: int = 0


@dataclass(frozen=True, kw_only=True)
class DemoState:
    """State of the demo at one moment. `peaks`: the newest first."""

    now: datetime
    address: str = ""
    stations: Sequence[StationValues] = ()
    peaks: Sequence[Peak] = ()
    counts: StoredCounts = StoredCounts()
    received: Sequence[ReceivedNotification] = ()
    login: InspectorLogin | None = None


def load_state(
    dsn: str, *, address: str, received: Sequence[ReceivedNotification], login: InspectorLogin | None
) -> DemoState:
    """Read the state from the database. `address`: of the map."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        values = connection.cursor(row_factory=class_row(StationValues)).execute(_QUERIES["select_newest_values"])
        peaks = connection.cursor(row_factory=class_row(Peak)).execute(_QUERIES["select_newest_peaks"])
        counts = connection.cursor(row_factory=class_row(StoredCounts)).execute(_QUERIES["count_stored"])
        return DemoState(
            now=datetime.now(UTC),
            address=address,
            stations=values.fetchall(),
            peaks=peaks.fetchall(),
            counts=counts.fetchone() or StoredCounts(),
            received=received,
            login=login,
        )
