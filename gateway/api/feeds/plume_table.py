"""Plumes as CSV: a row a plume, with the figures of its leading event. Pure."""

from collections.abc import Sequence
from datetime import datetime

from gateway.api.schemas.plumes import Plume
from gateway.export.csv_dialect import Dialect

_SEPARATOR = " "  # between ids, which have no spaces
COLUMNS = (
    "plume", "area", "state", "severity", "confidence", "onset", "end", "detected_at", "changed_at", "leading_event",
    "station", "observed_property", "unit", "peak", "peak_averaging", "background", "excess", "stations",
    "observed_properties", "notified_at", "url",
)  # fmt: skip


def write_plumes(plumes: Sequence[Plume], root: str, dialect: Dialect) -> bytes:
    """Return the table with its header. `root`: address of the site, without a slash at its end.

    Names of stations and receivers are not in it: a spreadsheet program could read a name as a formula.
    """
    return dialect.format_header(COLUMNS) + dialect.format_lines([_build_row(plume, root) for plume in plumes])


def _build_row(plume: Plume, root: str) -> Sequence[object]:
    event = plume.events[0]
    notified = [receiver.notified_at for receiver in plume.notified if receiver.notified_at is not None]
    return (
        plume.id, plume.area, plume.state, plume.severity, plume.confidence, _read(plume.onset), _read(plume.end),
        _read(plume.detected_at), _read(plume.changed_at), event.id, event.station, event.observed_property,
        event.unit, event.peak, event.peak_averaging, event.background, event.excess,
        _SEPARATOR.join(station.id for station in plume.stations), _SEPARATOR.join(plume.properties),
        _read(min(notified, key=datetime.fromisoformat, default=None)), f"{root}/plumes/{plume.id}",
    )  # fmt: skip


def _read(at: str | None) -> datetime | None:
    return None if at is None else datetime.fromisoformat(at)
