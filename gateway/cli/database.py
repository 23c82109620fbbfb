"""`piekwacht migrate` and `piekwacht prune`: the schema, and what [retention] says is too old."""

import argparse

from gateway import settings
from gateway.store import retention
from gateway.store.migrate import migrate


def run_migrate(args: argparse.Namespace) -> None:
    """Apply what is missing, or with `--check` only name it; then bring retention to the settings."""
    configuration = settings.read(args.config)
    names = migrate(configuration.database.dsn, check=args.check)
    for name in names:
        print(f"{'would apply' if args.check else 'applied'} {name}")
    if not names:
        print("the schema is up to date")
    for sentence in [] if args.check else retention.apply_policies(configuration.database.dsn, configuration.retention):
        print(sentence)


def run_prune(args: argparse.Namespace) -> None:
    """Delete what is too old and say how much that was."""
    configuration = settings.read(args.config)
    deleted = retention.prune_old_rows(configuration.database.dsn, configuration.retention)
    print(f"{deleted.observations} observations deleted, the signed bytes of {deleted.batches} batches")
    print(f"{deleted.shadow_events} events of shadows, {deleted.selftest_hours} examined hours of the self-test")
