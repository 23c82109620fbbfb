"""Complaints from a CSV file: columns `time`, `latitude`, `longitude`; optional `id`, `person`, `category`. Pure."""

from datetime import datetime, tzinfo

from gateway.model.csv_table import CsvRow, TableFileError, read_rows
from gateway.model.csv_table import parse_time as parse_table_time
from gateway.reconciliation.complaint import Complaint, ComplaintFileError, check_complaint

_NEEDED = ("time", "latitude", "longitude")


def parse_csv(content: bytes, zone: tzinfo | None, now: datetime) -> list[Complaint]:
    """Return the complaints of a file in UTF-8, separated by commas, semicolons or tabs.

    `zone`: of times without an offset. Raises ComplaintFileError with the first line that cannot be used.
    """
    try:
        return [_read_row(row, zone, now) for row in read_rows(content, _NEEDED)]
    except TableFileError as error:
        raise ComplaintFileError(str(error)) from None


def _read_row(row: CsvRow, zone: tzinfo | None, now: datetime) -> Complaint:
    id_ = row.text("id") or row.where
    complaint = Complaint(
        id=id_,
        person=row.text("person") or id_,
        at=row.time("time", zone),
        latitude=_parse_degrees(row.text("latitude"), "latitude", row.where),
        longitude=_parse_degrees(row.text("longitude"), "longitude", row.where),
        category=row.text("category"),
    )
    return check_complaint(complaint, now, row.where)


def parse_time(text: str, zone: tzinfo | None, where: str) -> datetime:
    """Return the time; without an offset it needs `zone`. Raises ComplaintFileError."""
    try:
        return parse_table_time(text, zone, where)
    except TableFileError as error:
        raise ComplaintFileError(str(error)) from None


def _parse_degrees(text: str, name: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        hint = "write a point and no comma" if "," in text else "a number in degrees is needed"
        raise ComplaintFileError(f"{where}: {name} {text[:40]!r} is no number; {hint}") from None
