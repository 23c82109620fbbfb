"""`piekwacht shadow report`: compare a shadow detector with the live one (gateway.evaluation.shadow.command)."""

import argparse

from gateway import settings
from gateway.evaluation.shadow import command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --config and the action `report`."""
    settings.add_config_argument(parser)
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    report = actions.add_parser("report", help="events of both, only live, only shadow: ids, times, sizes")
    command.add_arguments(report)


def run(args: argparse.Namespace) -> int:
    """Print the report."""
    return command.run(args, settings.read(args.config).database.dsn)
