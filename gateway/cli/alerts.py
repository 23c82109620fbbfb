"""`piekwacht alerts`: explain, acknowledge and silence alerts (alerting.cli), with [alerting] of the configuration."""

import argparse

from alerting import cli
from gateway import settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --config and the actions."""
    settings.add_config_argument(parser)
    cli.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Run the chosen action."""
    configuration = settings.read(args.config)
    return cli.run(args, configuration.alerting, configuration.database.dsn)
