"""The named queries of the API, and the registry that they load; the dossier reads with them too."""

from collections.abc import Awaitable, Callable, Mapping
from operator import attrgetter
from pathlib import Path
from typing import Protocol, TypeVar

from alerting.sql import load_queries
from gateway.api.data.registry import (
    AreaRow,
    DatastreamRow,
    MobileRow,
    ObservedPropertyRow,
    PublicRegistry,
    SiteRow,
    StationRow,
)
from gateway.export.selection import QUERIES as EXPORT_QUERIES
from gateway.quality.calibration import CalibrationVersion, group_versions

QUERIES = {**load_queries(Path(__file__).with_name("queries.sql")), **EXPORT_QUERIES}
T = TypeVar("T")
Row = TypeVar("Row", AreaRow, SiteRow, StationRow, MobileRow, ObservedPropertyRow, DatastreamRow)


class FetchRows(Protocol):
    """Runs a named query; every row becomes `make_row(**columns)`."""

    def __call__(self, make_row: Callable[..., T], query: str, /) -> Awaitable[list[T]]:
        """Return every row of the query."""


class FetchWithValues(Protocol):
    """Runs a named query with its parameters; every row becomes `make_row(**columns)`."""

    def __call__(self, make_row: Callable[..., T], query: str, values: Mapping[str, object], /) -> Awaitable[list[T]]:
        """Return every row of the query."""


async def load_public_registry(fetch: FetchRows) -> PublicRegistry:
    """Load the rows of the registry that everybody may read."""
    return PublicRegistry(
        areas={row.id: row for row in await _fetch_sorted(fetch, AreaRow, "select_areas")},
        sites={row.id: row for row in await _fetch_sorted(fetch, SiteRow, "select_sites")},
        stations={row.id: row for row in await _fetch_sorted(fetch, StationRow, "select_stations")},
        mobile_stations={row.id: row for row in await _fetch_sorted(fetch, MobileRow, "select_mobile_stations")},
        properties={row.id: row for row in await _fetch_sorted(fetch, ObservedPropertyRow, "select_properties")},
        datastreams={row.id: row for row in await _fetch_sorted(fetch, DatastreamRow, "select_datastreams")},
        calibrations=group_versions(await fetch(CalibrationVersion, "select_calibrations")),
    )


async def _fetch_sorted(fetch: FetchRows, row_type: type[Row], query: str) -> list[Row]:
    """By Python's order of ids, which pages of stations rely on: the database's collation differs."""
    return sorted(await fetch(row_type, query), key=attrgetter("id"))
