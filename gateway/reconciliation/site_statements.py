"""Statements of operators of watched sites: half-hour values of stacks and reports of incidents, from CSV files. Pure.

Values have the columns `time` (begin), `stack`, `substance`, `value`, `unit`, `status`, `averaging`. Reports have `id`,
`reported_at`, `began_at`, `text`, `source`, and `ended_at` if it is known. Nothing is converted: the number of an
operator stays in its own unit and with its own status.
"""

from datetime import datetime, tzinfo

from msgspec import Struct

from gateway.model.csv_table import CsvRow, TableFileError, read_rows

_VALUE_COLUMNS = ("time", "stack", "substance", "value", "unit", "status", "averaging")
_REPORT_COLUMNS = ("id", "reported_at", "began_at", "text", "source")
STATUSES = ("valid", "not_valid", "start_up", "shut_down", "calibration", "maintenance", "missing")
_AVERAGING_SECONDS = {"30min": 1_800, "1h": 3_600, "1day": 86_400}
_MAX_TEXT = 2_000


class SiteValue(Struct, frozen=True, kw_only=True):
    """A mean over `seconds` from `start` on in a stack, as the operator states it. `value`: None if it is missing."""

    stack: str
    substance: str
    start: datetime
    seconds: int
    value: float | None
    unit: str
    status: str


class SiteReport(Struct, frozen=True, kw_only=True):
    """An incident that the operator reported itself. `end`: None if it is not stated; `source`: where it stands."""

    id: str
    reported_at: datetime
    start: datetime
    end: datetime | None
    summary: str
    source: str


def parse_values(content: bytes, zone: tzinfo | None, now: datetime, *, decimal_comma: bool = False) -> list[SiteValue]:
    """Return the values of a file. Raises TableFileError with the first line that cannot be used."""
    values, positions = list[SiteValue](), dict[tuple[object, ...], str]()
    for row in read_rows(content, _VALUE_COLUMNS):
        value = _read_value(row, zone, now, decimal_comma=decimal_comma)
        key = value.stack, value.substance, value.start.timestamp(), value.seconds
        if key in positions:
            raise TableFileError(f"{row.where}: the same stack, substance and time stand in {positions[key]}")
        positions[key] = row.where
        values.append(value)
    return values


def _read_value(row: CsvRow, zone: tzinfo | None, now: datetime, *, decimal_comma: bool) -> SiteValue:
    status, averaging = row.required("status"), row.required("averaging")
    if status not in STATUSES:
        raise TableFileError(f"{row.where}: the status {status!r} is unknown; there are {', '.join(STATUSES)}")
    if averaging not in _AVERAGING_SECONDS:
        raise TableFileError(
            f"{row.where}: the averaging {averaging!r} is unknown; there are {', '.join(_AVERAGING_SECONDS)}"
        )
    start = row.time("time", zone)
    if start > now:
        raise TableFileError(f"{row.where}: the time {start.isoformat()} is in the future; check the time zone")
    is_missing = status == "missing" and not row.text("value")
    return SiteValue(
        stack=row.required("stack"),
        substance=row.required("substance"),
        start=start,
        seconds=_AVERAGING_SECONDS[averaging],
        value=None if is_missing else row.number("value", decimal_comma=decimal_comma),
        unit=row.required("unit"),
        status=status,
    )


def parse_reports(content: bytes, zone: tzinfo | None, now: datetime) -> list[SiteReport]:
    """Return the reports of a file. Raises TableFileError with the first line that cannot be used."""
    reports, positions = list[SiteReport](), dict[str, str]()
    for row in read_rows(content, _REPORT_COLUMNS):
        report = _read_report(row, zone, now)
        if report.id in positions:
            raise TableFileError(f"{row.where}: the id {report.id!r} stands in {positions[report.id]} too")
        positions[report.id] = row.where
        reports.append(report)
    return reports


def _read_report(row: CsvRow, zone: tzinfo | None, now: datetime) -> SiteReport:
    start, reported_at = row.time("began_at", zone), row.time("reported_at", zone)
    end = row.time("ended_at", zone) if row.text("ended_at") else None
    if reported_at > now:
        raise TableFileError(f"{row.where}: reported_at is in the future; check the time zone")
    if start > reported_at:
        raise TableFileError(f"{row.where}: began_at is after reported_at; are the columns exchanged?")
    if end is not None and end < start:
        raise TableFileError(f"{row.where}: ended_at is before began_at")
    return SiteReport(
        id=row.required("id"),
        reported_at=reported_at,
        start=start,
        end=end,
        summary=row.required("text")[:_MAX_TEXT],
        source=row.required("source")[:_MAX_TEXT],
    )
