"""`piekwacht dossier`: write all that is known of an event or a period to one file (gateway.dossier)."""

import argparse

from gateway import settings
from gateway.dossier import command
from gateway.dossier.request import DossierPublisher


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --config and the arguments of the dossier."""
    settings.add_config_argument(parser)
    command.add_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Write the file, in the name of the operator of [api]."""
    configuration = settings.read(args.config)
    api = configuration.api
    publisher = DossierPublisher(operator=api.operator, public_url=api.public_url)
    command.run(args, configuration.database.dsn, publisher, configuration.public_log)
