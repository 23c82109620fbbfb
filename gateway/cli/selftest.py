"""`piekwacht selftest`: examine stored hours once with synthetic peaks (gateway.evaluation.selftest.command)."""

import argparse

from gateway import settings
from gateway.evaluation.selftest import command
from gateway.evaluation.selftest.settings import SelfTestSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --config and the arguments of the self-test."""
    command.add_arguments(parser)
    settings.add_config_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Examine with [detection] and [selftest], and print the report."""
    configuration = settings.read(args.config)
    selftest = configuration.selftest or SelfTestSettings()
    return command.run(args, configuration.database.dsn, configuration.detection, selftest)
