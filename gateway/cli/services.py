"""`piekwacht gateway`, `api`, `alerting`, `evaluate`, `subscriptions run` and `up`: run services until a signal."""

import argparse
from collections.abc import Sequence

from gateway import settings
from gateway.operator.tools import OperatorTools

_SERVICE_NAMES = {"evaluate": "evaluation"}  # of commands that are called otherwise


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --config."""
    settings.add_config_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Run the service `args.command`, or all for `up`. Raises StartError if one cannot start."""
    configuration = settings.read(args.config)  # a mistake in it is reported before the slow imports below
    from gateway.service import run  # noqa: PLC0415 - as above

    if args.command == "up":
        return run.run_all(configuration, args.config)
    operator_tools = _build_operator_tools(configuration) if args.command == "api" else None
    run.run(configuration, _SERVICE_NAMES.get(args.command, args.command), _log_faults, operator_tools)
    return 0


def _build_operator_tools(configuration: settings.Settings) -> OperatorTools:
    from gateway.cli import operator_tools  # noqa: PLC0415 - it imports the doctor, which other services do not need

    return operator_tools.build_operator_tools(configuration)


def _log_faults(configuration: settings.Settings, service_names: Sequence[str]) -> None:
    from gateway.doctor import startup  # noqa: PLC0415 - it is called when the service works already

    startup.log_faults(configuration, service_names)
