"""Complaints from a CSV file: columns `time`, `latitude`, `longitude`; optional `id`, `person`, `category`. Pure."""

import csv
import io
from datetime import datetime, tzinfo

from gateway.reconciliation.complaint import Complaint, ComplaintFileError, check_complaint

_NEEDED = ("time", "latitude", "longitude")


def parse_csv(content: bytes, zone: tzinfo | None, now: datetime) -> list[Complaint]:
    """Return the complaints of a file in UTF-8, separated by commas, semicolons or tabs.

    `zone`: of times without an offset. Raises ComplaintFileError with the first line that cannot be used.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ComplaintFileError("the file is not UTF-8; save it as CSV UTF-8") from None
    first_line = text.partition("\n")[0]
    delimiter = max(";,\t", key=first_line.count)
    rows = csv.DictReader(io.StringIO(text), delimiter=delimiter)
    missing = [name for name in _NEEDED if name not in (rows.fieldnames or ())]
    if missing:
        raise ComplaintFileError(f"line 1: column {missing[0]!r} is missing; needed are {', '.join(_NEEDED)}")
    return [_read_row(row, f"line {number}", zone, now) for number, row in enumerate(rows, 2)]


def _read_row(row: dict[str, str | None], where: str, zone: tzinfo | None, now: datetime) -> Complaint:
    id_ = (row.get("id") or "").strip() or where
    complaint = Complaint(
        id=id_,
        person=(row.get("person") or "").strip() or id_,
        at=parse_time((row.get("time") or "").strip(), zone, where),
        latitude=_parse_degrees(row.get("latitude"), "latitude", where),
        longitude=_parse_degrees(row.get("longitude"), "longitude", where),
        category=(row.get("category") or "").strip(),
    )
    return check_complaint(complaint, now, where)


def parse_time(text: str, zone: tzinfo | None, where: str) -> datetime:
    """Return the time; without an offset it needs `zone`. Raises ComplaintFileError."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ComplaintFileError(f"{where}: {text[:40]!r} is no time; write it as 2026-11-28T21:05+01:00") from None
    if at.tzinfo is not None:
        return at
    if zone is None:
        raise ComplaintFileError(f"{where}: the time {text!r} has no offset; give --time-zone Europe/Amsterdam")
    return at.replace(tzinfo=zone)


def _parse_degrees(text: str | None, name: str, where: str) -> float:
    try:
        return float((text or "").strip())
    except ValueError:
        hint = "write a point and no comma" if "," in (text or "") else "a number in degrees is needed"
        raise ComplaintFileError(f"{where}: {name} {(text or '')[:40]!r} is no number; {hint}") from None
