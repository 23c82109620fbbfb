"""`piekwacht migrate`: apply missing migrations, then the compression policy and the works of upkeep."""

import argparse

from gateway import settings
from gateway.store import retention
from gateway.store.connection import connect
from gateway.store.migrate import migrate
from gateway.store.upkeep.register import register_works


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --config and --check."""
    settings.add_config_argument(parser)
    parser.add_argument("--check", action="store_true", help="print the missing migrations without applying them")


def run(args: argparse.Namespace) -> None:
    """Apply missing migrations, or print them with `--check`; then bring TimescaleDB's policies to [retention]."""
    configuration = settings.read(args.config)
    names = migrate(configuration.database.dsn, check=args.check)
    for name in names:
        print(f"{'would apply' if args.check else 'applied'} {name}")
    if not names:
        print("the schema is up to date")
    if not args.check:
        _apply_retention(configuration)


def _apply_retention(configuration: settings.Settings) -> None:
    for sentence in retention.apply_policies(configuration.database.dsn, configuration.retention):
        print(sentence)
    with connect(configuration.database.dsn) as connection:
        register_works(connection, configuration.retention)
