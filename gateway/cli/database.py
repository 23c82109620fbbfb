"""`piekwacht migrate` and `piekwacht prune`: the schema, and what [retention] says is too old."""

import argparse

from gateway import settings
from gateway.store import retention
from gateway.store.migrate import migrate


def bring_up_to_date(given: argparse.Namespace) -> None:
    """Apply what is missing, or with `--check` only name it; then bring retention to the settings."""
    read = settings.read(given.config)
    names = migrate(read.database.dsn, check=given.check)
    for name in names:
        print(f"{'would apply' if given.check else 'applied'} {name}")
    if not names:
        print("the schema is up to date")
    for sentence in [] if given.check else retention.apply(read.database.dsn, read.retention):
        print(sentence)


def prune(given: argparse.Namespace) -> None:
    """Delete what is too old and say how much that was."""
    read = settings.read(given.config)
    gone = retention.prune(read.database.dsn, read.retention)
    print(f"{gone.observations} observations deleted, the signed bytes of {gone.batches} batches")
    print(f"{gone.shadow_events} events of shadows, {gone.selftest_hours} examined hours of the self-test")
