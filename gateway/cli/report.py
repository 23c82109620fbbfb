"""`piekwacht report`: write what happened in an area over a period (gateway.reports)."""

import argparse

from gateway import settings
from gateway.reports import command
from gateway.reports.request import ReportPublisher


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --config and the arguments of the report."""
    settings.add_config_argument(parser)
    command.add_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Write the file, in the name of the operator of [api]."""
    configuration = settings.read(args.config)
    publisher = ReportPublisher(
        operator=configuration.api.operator,
        public_url=configuration.api.public_url,
        year_coverage=configuration.assessment.year_coverage,
    )
    command.run(args, configuration.database.dsn, publisher)
