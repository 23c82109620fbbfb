"""`piekwacht prune`: delete data that is older than [retention] allows."""

import argparse

from gateway import settings
from gateway.store import retention


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --config."""
    settings.add_config_argument(parser)


def run(args: argparse.Namespace) -> None:
    """Delete old rows and print how many."""
    configuration = settings.read(args.config)
    deleted = retention.prune_old_rows(configuration.database.dsn, configuration.retention)
    print(f"{deleted.observations} observations deleted, the signed bytes of {deleted.batches} batches")
    print(f"{deleted.shadow_events} events of shadow detectors, {deleted.selftest_hours} hours of the self-test")
