"""`piekwacht complaints`: compare a file of complaints with the events of an area (gateway.reconciliation)."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from msgspec import json, to_builtins
from psycopg import Connection
from psycopg.rows import class_row

from alerting.sql import load_queries
from gateway import settings
from gateway.api.data.loading import QUERIES as API_QUERIES
from gateway.model.legal_day import TimeZoneError, check_time_zone
from gateway.reconciliation.complaint import Complaint, ComplaintFileError
from gateway.reconciliation.csv_file import parse_csv
from gateway.reconciliation.event_counts import count_by_event
from gateway.reconciliation.fit import ComplaintReconciliation, MeasuredEvent, reconcile
from gateway.reconciliation.municipal import parse_open311, parse_signalen
from gateway.reports.command import parse_day
from gateway.store.connection import connect
from gateway.store.statements import ComparedPeriod, store_comparison

_QUERIES = load_queries(Path(__file__).with_suffix(".sql"))
_FORMATS: Mapping[str, Callable[[bytes, tzinfo | None, datetime], list[Complaint]]] = {
    "csv": parse_csv,
    "signalen": parse_signalen,
    "open311": parse_open311,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --config and the action."""
    settings.add_config_argument(parser)
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    compare = actions.add_parser("compare", help="count which complaints fit which events; stores counts if asked to")
    compare.add_argument("file", type=Path, metavar="FILE", help="the complaints; `-` reads standard input")
    compare.add_argument("--format", choices=_FORMATS, default="csv", help="format of the file (csv)")
    compare.add_argument("--area", required=True, metavar="ID", help="such as ijmond")
    compare.add_argument("--from", required=True, dest="start", type=parse_day, metavar="DAY", help="first day")
    compare.add_argument("--to", required=True, dest="end", type=parse_day, metavar="DAY", help="day after the last")
    compare.add_argument("--time-zone", type=_parse_zone, metavar="ZONE", help="of times without an offset")
    compare.add_argument(
        "--store", metavar="SOURCE", help="store the counts, nothing of a complaint, and name where they come from"
    )
    compare.add_argument("--json", action="store_true", help="print JSON for programs, with the events per complaint")
    compare.set_defaults(action=_compare)


def run(args: argparse.Namespace) -> None:
    """Run the action. Raises GatewayError with one sentence."""
    args.action(args, settings.read(args.config).database.dsn)


def _parse_zone(text: str) -> tzinfo:
    try:
        return ZoneInfo(check_time_zone(text))
    except TimeZoneError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _compare(args: argparse.Namespace, dsn: str) -> None:
    if args.store is not None and not args.store.strip():
        raise ComplaintFileError("--store: name where the complaints come from, such as 'Signalen Beverwijk'")
    complaints = _FORMATS[args.format](_read(args.file), args.time_zone, datetime.now(UTC))
    with connect(dsn) as connection:
        zone = _find_zone(connection, args.area)
        period = tuple(datetime(day.year, day.month, day.day, tzinfo=zone) for day in (args.start, args.end))
        if period[0] >= period[1]:
            raise ComplaintFileError("--to must be after --from")
        events = _list_events(connection, args.area, period)
    inside = [complaint for complaint in complaints if period[0] <= complaint.at < period[1]]
    result = reconcile(inside, events, (period[0], period[1]))
    if args.store is not None:
        counts_by_event = count_by_event(inside, events, result.events_by_complaint)
        with connect(dsn) as connection:
            compared = ComparedPeriod(area=args.area, start=period[0], end=period[1], source=args.store)
            store_comparison(connection, compared, result, counts_by_event)
    if args.json:
        fits = {row.id: list(ids) for row, ids in zip(inside, result.events_by_complaint, strict=True)}
        counts = {name: value for name, value in to_builtins(result).items() if name != "events_by_complaint"}
        print(json.encode({**counts, "events_by_complaint": fits}).decode())
        return
    print("\n".join(_describe(result, events=len(events), left_out=len(complaints) - len(inside))))


def _read(path: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise ComplaintFileError(f"{path}: cannot be read ({error.strerror})") from None


def _find_zone(connection: Connection, area: str) -> tzinfo:
    row = connection.execute(_QUERIES["select_time_zone"], {"area": area}).fetchone()
    if row is None:
        raise ComplaintFileError(f"there is no area {area!r}; `piekwacht site show` lists the areas")
    return ZoneInfo(str(row[0]))


def _list_events(connection: Connection, area: str, period: Sequence[datetime]) -> list[MeasuredEvent]:
    values = {"area": area, "start": period[0], "end": period[1]}
    with connection.cursor(row_factory=class_row(MeasuredEvent)) as cursor:
        return cursor.execute(API_QUERIES["select_measured_events"], values).fetchall()


def _describe(result: ComplaintReconciliation, *, events: int, left_out: int) -> list[str]:
    counts = result.counts
    lines = [
        f"{events} events, {result.persons} complaints (one per person and half an hour)",
        f"{result.fitting} complaints fit an event in time, place and wind, before residents were notified of it",
        f"{result.after_notice} fit only events of which residents had been notified before",
        f"half hours with an event and a fitting complaint: {counts.both}",
        f"half hours with an event alone: {counts.event_only}",
        f"half hours with a complaint alone: {counts.complaint_only}",
        f"half hours with neither: {counts.neither}",
    ]
    if result.chance is None or result.expected is None:
        lines.append("chance: not estimated; it needs complaints in a period of at least 14 days")
    else:
        lines.append(
            f"chance: complaints moved to other days fit {result.expected:.1f} times on average; "
            f"as many as here or more in {result.chance:.1%} of the moves"
        )
    if left_out:
        lines.append(f"{left_out} complaints lie outside the period and are left out")
    return lines
