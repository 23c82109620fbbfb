"""`piekwacht access`: accounts and keys of staff (gateway.access.command), in the database of the configuration."""

import argparse

from gateway import settings
from gateway.access import command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --config and the actions."""
    settings.add_config_argument(parser)
    command.add_actions(parser)


def run(args: argparse.Namespace) -> None:
    """Run the chosen action."""
    command.run(args, settings.read(args.config).database.dsn)
