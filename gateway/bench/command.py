"""`piekwacht bench`: what this machine can bear; each says it in JSON on its last line."""

import argparse

from gateway.bench import detect, ingest, latency, live


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the parser of `piekwacht bench` what can be measured."""
    commands = parser.add_subparsers(required=True, metavar="WHAT")
    command = commands.add_parser("detect", help="ns a reading, bytes a datastream; the last line is JSON")
    detect.add_arguments(command)
    command.set_defaults(run=detect.run)
    command = commands.add_parser(
        "ingest", help="signed batches to committed rows beside raw COPY; the last line is JSON"
    )
    ingest.add_arguments(command)
    command.set_defaults(run=ingest.run)
    command = commands.add_parser(
        "steady", help="batches at a steady rate: how late, how much memory; the last line is JSON"
    )
    latency.add_arguments(command)
    command.set_defaults(run=latency.run)
    command = commands.add_parser("live", help="many viewers of the live feed; the last line is JSON")
    command.add_argument("--viewers", type=int, default=2_000)
    command.add_argument("--seconds", type=int, default=20)
    command.set_defaults(run=lambda args: live.run(args.viewers, args.seconds))
