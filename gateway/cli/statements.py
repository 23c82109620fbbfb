"""`piekwacht statements`: import what operators of watched sites measured and reported themselves."""

import argparse
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from gateway import settings
from gateway.cli.hazard_index import parse_zone, read_file
from gateway.reconciliation.site_statements import parse_reports, parse_values
from gateway.store.connection import connect
from gateway.store.statements import StoredRows, check_site, store_reports, store_values


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --config and the action."""
    settings.add_config_argument(parser)
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    values = actions.add_parser("import-values", help="store half-hour values of stacks from a CSV file, all or none")
    _add_file(values)
    values.add_argument("--decimal-comma", action="store_true", help="numbers have a decimal comma")
    values.set_defaults(action=_import_values)
    reports = actions.add_parser("import-reports", help="store reports of incidents from a CSV file, all or none")
    _add_file(reports)
    reports.set_defaults(action=_import_reports)


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="the statements; `-` reads standard input")
    parser.add_argument("--site", required=True, metavar="ID", help="the watched site that they are about")
    parser.add_argument("--time-zone", type=parse_zone, metavar="ZONE", help="of times without an offset")
    parser.add_argument("--replace", action="store_true", help="replace stored rows that have another content")


def run(args: argparse.Namespace) -> None:
    """Run the action. Raises GatewayError with one sentence."""
    args.action(args, settings.read(args.config).database.dsn)


def _import_values(args: argparse.Namespace, dsn: str) -> None:
    zone: tzinfo | None = args.time_zone
    values = parse_values(read_file(args.file), zone, datetime.now(UTC), decimal_comma=args.decimal_comma)
    with connect(dsn) as connection:
        check_site(connection, args.site)
        stored = store_values(connection, args.site, values, replace=args.replace)
    print(_describe("values", len(values), stored))


def _import_reports(args: argparse.Namespace, dsn: str) -> None:
    zone: tzinfo | None = args.time_zone
    reports = parse_reports(read_file(args.file), zone, datetime.now(UTC))
    with connect(dsn) as connection:
        check_site(connection, args.site)
        stored = store_reports(connection, args.site, reports, replace=args.replace)
    print(_describe("reports", len(reports), stored))


def _describe(what: str, rows: int, stored: StoredRows) -> str:
    replaced = f", {stored.replaced} replaced" if stored.replaced else ""
    return f"{stored.new} {what} stored{replaced}, {rows - stored.new - stored.replaced} were stored already"
