"""`piekwacht shadow report`: compare live detector and shadow on the same readings."""

import argparse
import operator
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import psycopg
from msgspec import Struct, field

from gateway.errors import GatewayError
from gateway.evaluation.shadow.comparison import Comparison, compare_events
from gateway.evaluation.shadow.state_store import QUERIES
from gateway.model.event import Event
from gateway.store.connection import connect


class ShadowReport(Struct, frozen=True, kw_only=True):
    """A comparison, with its detectors and period."""

    shadow: str
    detector: str
    live_detectors: tuple[str, ...]
    since: datetime
    until: datetime
    comparison: Comparison = field(name="found")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("--days", type=float, default=7.0, help="how far back (7)")
    parser.add_argument("--name", help="of the shadow; needed where more than one has run")
    parser.add_argument("--json", action="store_true", help="the whole events of both, for programs")


def run(args: argparse.Namespace, dsn: str) -> int:
    """Print the comparison. Raises GatewayError if no shadow has run yet."""
    with connect(dsn) as connection:
        report = _build_report(connection, args.name, args.days)
    print(msgspec.json.encode(report).decode() if args.json else _format_report(report))  # noqa: T201 - the command's own output
    return 0


def _build_report(connection: psycopg.Connection, requested_name: str | None, days: float) -> ShadowReport:
    shadows = connection.execute(QUERIES["select_shadows"]).fetchall()
    chosen = [shadow for shadow in shadows if requested_name in {None, shadow[0]}]
    if not shadows:
        raise GatewayError("no shadow has run: put [shadow] into the configuration and run `piekwacht evaluate`")
    if len(chosen) != 1:
        raise GatewayError(f"which shadow? give --name with one of {', '.join(name for name, *_ in shadows)}")
    name, detector, first_at, until = chosen[0]
    since = max(first_at, until - timedelta(days=days))
    values = {"name": name, "detector": detector, "since": since, "until": until}
    live, shadow = (
        [msgspec.json.decode(body, type=Event) for (body,) in connection.execute(QUERIES[query], values)]
        for query in ("found_live", "found_in_shadow")
    )
    return ShadowReport(
        shadow=name,
        detector=detector,
        live_detectors=tuple(sorted({event.detector for event in live})),
        since=since,
        until=until,
        comparison=compare_events(live, shadow),
    )


def _format_report(report: ShadowReport) -> str:
    comparison = report.comparison
    lines = [
        f"shadow {report.shadow} ({report.detector}) beside {', '.join(report.live_detectors) or 'a live detector'}",
        (
            f"from {report.since:%Y-%m-%d %H:%M}Z to {report.until:%Y-%m-%d %H:%M}Z: "
            f"{len(comparison.agreed)} agreed, {len(comparison.only_live)} only live, "
            f"{len(comparison.only_shadow)} only shadow"
        ),
    ]
    rows = [
        *(_format_row("agreed", pair.live, pair.shadow) for pair in comparison.agreed),
        *(_format_row("only live", event, None) for event in comparison.only_live),
        *(_format_row("only shadow", None, event) for event in comparison.only_shadow),
    ]
    rows.sort(key=operator.itemgetter(3))
    return "\n".join(lines + (_format_table([_HEADER, *rows]) if rows else []))


_HEADER = ("", "station", "property", "onset", "delay", "excess", "sure", "live", "delay", "excess", "sure", "shadow")


def _format_row(category: str, live: Event | None, shadow: Event | None) -> tuple[str, ...]:
    event: Any = live or shadow
    onset = f"{event.onset:%Y-%m-%d %H:%M:%S}"
    return category, event.station, event.observed_property, onset, *_format_scores(live), *_format_scores(shadow)


def _format_scores(event: Event | None) -> tuple[str, ...]:
    if event is None:
        return "-", "-", "-", "-"
    delay = (event.detected_at - event.onset).total_seconds()
    return f"{delay:.0f} s", f"{event.excess:.1f}", f"{event.confidence:.2f}", event.id


def _format_table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
