"""`piekwacht upkeep`: refresh means, compress, drop and delete old data; show what stands still, and sizes."""

import argparse
from datetime import UTC, datetime

import msgspec

from gateway import settings
from gateway.cli.operator_tools import build_operator_tools
from gateway.errors import StartError
from gateway.operator.storage import load_storage
from gateway.service.upkeep_service import run_service
from gateway.store.connection import connect
from gateway.store.upkeep.outcome import Outcome, OutcomeState
from gateway.store.upkeep.run import run_upkeep
from gateway.store.upkeep.status import WorkStatus, fetch_status

_SHORTEST_INTERVAL = 10.0  # s
_UNITS = ("B", "kB", "MB", "GB", "TB")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --config and the actions."""
    settings.add_config_argument(parser)
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    run_ = actions.add_parser("run", help="do the works that are due, each in short transactions")
    run_.add_argument("--all", action="store_true", help="also the works that are not due")
    run_.add_argument("--every", type=_parse_interval, metavar="SECONDS", help="run as a service, so often")
    run_.set_defaults(action=_run_works)
    status = actions.add_parser("status", help="show what is done, and what stands still since when")
    status.add_argument("--json", action="store_true", help="print the works as a JSON list")
    status.set_defaults(action=_show_status)
    storage = actions.add_parser("storage", help="show the size of the database, its growth, and when a disk is full")
    storage.add_argument("--json", action="store_true", help="print it as a JSON object")
    storage.set_defaults(action=_show_storage)


def _parse_interval(text: str) -> float:
    seconds = float(text)
    if seconds < _SHORTEST_INTERVAL:
        raise argparse.ArgumentTypeError(f"{text}: at least {_SHORTEST_INTERVAL:.0f} seconds")
    return seconds


def run(args: argparse.Namespace) -> int:
    """Return 0, or 1 if a work failed or stands still. Raises StartError if the database is unavailable."""
    code: int = args.action(args, settings.read(args.config))
    return code


def _run_works(args: argparse.Namespace, configuration: settings.Settings) -> int:
    if args.every is not None:
        run_service(configuration, args.every)
        return 0
    outcomes = []
    for outcome in run_upkeep(configuration.database.dsn, configuration.retention, ignore_rhythm=args.all):
        print(outcome, flush=True)
        outcomes.append(outcome)
    return _choose_exit_code(outcomes)


def _choose_exit_code(outcomes: list[Outcome]) -> int:
    return int(any(outcome.state is OutcomeState.FAILED for outcome in outcomes))


def _show_status(args: argparse.Namespace, configuration: settings.Settings) -> int:
    with connect(configuration.database.dsn) as connection:
        statuses = fetch_status(connection)
    if statuses is None:
        raise StartError("the database is of an older version: run `piekwacht migrate`")
    if args.json:
        print(msgspec.json.encode([_to_entry(status) for status in statuses]).decode())
    else:
        print(f"{'work':<13}{'done up to (UTC)':<18}{'limit':<10}state")
        for status in statuses:
            print(_describe(status))
    return int(any(status.stands_still for status in statuses))


def _show_storage(args: argparse.Namespace, configuration: settings.Settings) -> int:
    tools = build_operator_tools(configuration)
    with connect(configuration.database.dsn) as connection:
        storage = load_storage(connection, tools.read_disks(), tools.retention_days, datetime.now(UTC))
    if args.json:
        document = {
            "database_bytes": storage.database_bytes,
            "growth_per_day": storage.growth,
            "days_left": storage.days_left,
            "tables": storage.relations,
            "disks": storage.disks,
        }
        print(msgspec.json.encode(document).decode())
        return 0
    growth = "not known yet" if storage.growth is None else f"{_format_bytes(storage.growth)} a day"
    print(f"database {_format_bytes(storage.database_bytes)}, growth: {growth}")
    for disk in storage.disks:
        print(f"disk {disk.path}: {_format_bytes(disk.free)} free of {_format_bytes(disk.total)}")
    if storage.days_left is not None:
        print(f"the fullest disk lasts {storage.days_left:.0f} days at this growth")
    for table in storage.relations:
        print(f"{table.name:<40}{_format_bytes(table.bytes):>12}")
    return 0


def _format_bytes(count: float) -> str:
    value, unit = float(count), 0
    while abs(value) >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.3g} {_UNITS[unit]}"


def _to_entry(status: WorkStatus) -> dict[str, object]:
    return {
        "work": status.work,
        "done_at": status.done_at,
        "limit_seconds": status.limit.total_seconds(),
        "stands_still": status.stands_still,
        "error": status.last_error,
    }


def _describe(status: WorkStatus) -> str:
    state = "stands still" if status.stands_still else "ok"
    error = f"; {status.last_error}" if status.last_error else ""
    hours = f"{status.limit.total_seconds() / 3600:.0f} h"
    return f"{status.work:<13}{status.done_at:%Y-%m-%d %H:%M}  {hours:<10}{state}{error}"
