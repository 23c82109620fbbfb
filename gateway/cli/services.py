"""`piekwacht gateway`, `api`, `alerting`, `evaluate` and `up`: run services until SIGTERM or SIGINT."""

import argparse

from gateway import settings

_SERVICES_BY_COMMAND = {
    "gateway": ["gateway"],
    "api": ["api"],
    "alerting": ["alerting"],
    "evaluate": ["evaluation"],
    "up": ["gateway", "api", "alerting", "evaluation_child"],
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --config."""
    settings.add_config_argument(parser)


def run(args: argparse.Namespace) -> None:
    """Run the services of `args.command`. Raises StartError if one cannot start."""
    configuration = settings.read(args.config)  # a mistake in it is reported before the slow imports below
    from gateway.doctor import startup  # noqa: PLC0415 - as above
    from gateway.service import run  # noqa: PLC0415 - as above

    run.run(configuration, _SERVICES_BY_COMMAND[args.command], args.config, startup.log_faults)
