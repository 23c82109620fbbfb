"""`piekwacht readings remove`: remove readings of a station on request; the removal stays on record."""

import argparse

from alerting.vocabulary import count_things
from edge_agent.command_line import parse_time
from edge_agent.configuration import ConfigurationError
from gateway import settings
from gateway.store.connection import connect
from gateway.store.removal import remove_readings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --config and the action."""
    settings.add_config_argument(parser)
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    remove = actions.add_parser("remove", help="delete readings and signed bytes; the deletion itself stays on record")
    remove.add_argument("station", help="id of the station, such as wijk-aan-zee")
    remove.add_argument(
        "--from", required=True, dest="start", type=parse_time, metavar="TIME", help="begin of the period, RFC 3339"
    )
    remove.add_argument(
        "--to", required=True, dest="end", type=parse_time, metavar="TIME", help="end of the period, exclusive"
    )
    remove.add_argument("--yes", action="store_true", help="confirm the deletion")
    remove.set_defaults(action=_remove)


def run(args: argparse.Namespace) -> None:
    """Run the chosen action. Raises ConfigurationError or GatewayError with one sentence."""
    args.action(args, settings.read(args.config).database.dsn)


def _remove(args: argparse.Namespace, dsn: str) -> None:
    if args.start >= args.end:
        raise ConfigurationError("--from must be before --to")
    if not args.yes:
        raise ConfigurationError("deleted readings cannot be restored; add --yes to confirm")
    with connect(dsn) as connection:
        removed = remove_readings(connection, args.station, args.start, args.end)
    bytes_of = (
        f"the signed bytes of {removed.batches} batches" if removed.batches != 1 else "the signed bytes of a batch"
    )
    print(f"{count_things(removed.readings, 'reading')} of {args.station} deleted, and {bytes_of}")
    print("means follow with the next `piekwacht upkeep run`; the table removal records the deletion")
