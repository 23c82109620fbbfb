"""`piekwacht demo`: its arguments."""

import argparse
from pathlib import Path

from edge_agent.configuration import ConfigurationError
from gateway.demo import run as demo

_MAX_HISTORY_HOURS = 96


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the demo."""
    parser.add_argument("--port", type=int, default=8080, help="port of the map and the API (8080)")
    parser.add_argument("--nodes", type=int, default=12, help="number of simulated nodes, 1 to 12 (12)")
    parser.add_argument("--speed", type=float, default=1.0, help="speed of the simulated time (1)")
    parser.add_argument(
        "--history",
        type=float,
        default=48.0,
        metavar="HOURS",
        help="hours of readings from before the demo, 0 to 96 (48)",
    )
    parser.add_argument("--seed", type=int, default=20, help="the same number gives the same world (20)")
    parser.add_argument("--mobile", action="store_true", help="add a car and a drone that measure on their way")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="let the nodes replay a recording")
    parser.add_argument("--data-dir", type=Path, help="keep all data in this folder instead of a temporary one")
    parser.add_argument("--duration", type=float, metavar="SECONDS", help="stop then, and print the result as JSON")


def run(args: argparse.Namespace) -> int:
    """Run the demo until Ctrl-C or --duration; 1 if readings were lost or stored twice."""
    if not 0 <= args.history <= _MAX_HISTORY_HOURS:
        raise ConfigurationError(f"--history {args.history:g}: give 0 to {_MAX_HISTORY_HOURS} hours")
    options = demo.Options(
        port=args.port,
        nodes=args.nodes,
        speed=args.speed,
        replay=args.replay,
        data_dir=args.data_dir,
        duration=args.duration,
        history_hours=args.history,
        seed=args.seed,
        mobile=args.mobile,
    )
    return demo.run(options)
