"""`piekwacht bench`: measure the speed of this machine; the last line of each benchmark is JSON."""

import argparse

from gateway.bench import detect, ingest, latency, live


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add one action per benchmark."""
    commands = parser.add_subparsers(required=True, metavar="WHAT")
    command = commands.add_parser("detect", help="ns a reading, bytes a datastream; the last line is JSON")
    detect.add_arguments(command)
    command.set_defaults(benchmark=detect.run)
    command = commands.add_parser(
        "ingest", help="signed batches to committed rows beside raw COPY; the last line is JSON"
    )
    ingest.add_arguments(command)
    command.set_defaults(benchmark=ingest.run)
    command = commands.add_parser(
        "steady", help="batches at a steady rate: how late, how much memory; the last line is JSON"
    )
    latency.add_arguments(command)
    command.set_defaults(benchmark=latency.run)
    command = commands.add_parser("live", help="many viewers of the live feed; the last line is JSON")
    command.add_argument("--viewers", type=int, default=2_000, help="open live streams (2000)")
    command.add_argument("--seconds", type=int, default=20, help="length of the measurement (20)")
    command.set_defaults(benchmark=lambda args: live.run(args.viewers, args.seconds))


def run(args: argparse.Namespace) -> int:
    """Run the chosen benchmark."""
    return int(args.benchmark(args) or 0)
