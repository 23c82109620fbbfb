"""`piekwacht events replay`: detect a stored event again from the signed bytes (gateway.evaluation.replay)."""

import argparse

from gateway import settings
from gateway.evaluation import replay


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --config and the action `replay`."""
    settings.add_config_argument(parser)
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    action = actions.add_parser("replay", help="exit code 0 if the same data give the identical event again, else 1")
    action.add_argument("id", help="id of the event, as in its address")


def run(args: argparse.Namespace) -> int:
    """Print the stored and the replayed event."""
    return replay.run(settings.read(args.config).database.dsn, args.id)
