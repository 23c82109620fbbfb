"""The gateway's own detector over a recording."""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""


def run(given: argparse.Namespace) -> int:
    """Run it."""
    return 0
