"""`piekwacht export`: write a station's readings to a file (gateway.export.command)."""

import argparse

from gateway import settings
from gateway.export import command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --config and the arguments of the export."""
    settings.add_config_argument(parser)
    command.add_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Write the file, with the operator of [api] as attribution."""
    configuration = settings.read(args.config)
    command.run(args, configuration.database.dsn, configuration.api.operator)
