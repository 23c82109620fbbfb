"""`piekwacht alerts`: explain, acknowledge, judge and silence alerts, with [alerting] of the configuration."""

import argparse

from alerting import cli
from gateway import settings
from gateway.cli import plume_judgement


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --config and the actions."""
    settings.add_config_argument(parser)
    plume_judgement.add_actions(cli.add_arguments(parser))


def run(args: argparse.Namespace) -> int:
    """Run the chosen action."""
    configuration = settings.read(args.config)
    return cli.run(args, configuration.alerting, configuration.database.dsn)
