"""`piekwacht-agent`: the commands of a node. Each imports what it needs when it is called."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from edge_agent.command_line import CommandParser

_CONFIG = Path("/etc/piekwacht/agent.toml")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. 0: well; 1: it cannot work here; 2: the configuration or the command line is wrong."""
    from edge_agent.configuration import ConfigurationError
    from edge_agent.errors import AgentError

    options = build_parser().parse_args(arguments)
    try:
        code: int = options.command(options)
    except ConfigurationError as error:
        print(f"piekwacht-agent: {error}", file=sys.stderr)
        return 2
    except AgentError as error:
        print(f"piekwacht-agent: {error}", file=sys.stderr)
        return 1
    return code


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = CommandParser(prog="piekwacht-agent", description="A node of Piekwacht: reads sensors, loses nothing.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="read the sensors, keep the readings, hand them to the gateway")
    _add_config(run)
    run.add_argument(
        "--until-done", action="store_true", help="end when every recording is played and the gateway holds all of it"
    )
    run.add_argument(
        "--trial-seconds", type=float, default=600.0, metavar="N", help="how long a remote configuration is tried"
    )
    run.set_defaults(command=_run)
    settings = commands.add_parser(
        "settings", help="say whether this version can use a configuration, and start nothing"
    )
    _add_config(settings)
    settings.set_defaults(command=_settings)
    check = commands.add_parser("check", help="say in plain words what is wrong with this node; 1 if anything is")
    _add_config(check)
    check.set_defaults(command=_check)
    keys = commands.add_parser("keys", help="make this node's keys here, and the request by which it is enrolled")
    keys.add_argument("node", help="the node's id")
    keys.add_argument(
        "--out", type=Path, default=Path("/etc/piekwacht"), metavar="DIR", help="folder for the keys (/etc/piekwacht)"
    )
    keys.set_defaults(command=_keys)
    sensors = commands.add_parser("sensors", help="list what sits on the buses of this machine")
    sensors.set_defaults(command=_sensors)
    tail = commands.add_parser("tail", help="show the readings of the running agent")
    _add_config(tail)
    tail.add_argument("--count", type=int, metavar="N", help="end after so many")
    tail.set_defaults(command=_tail)
    bench = commands.add_parser("bench", help="measure the agent on this machine; the last line is JSON")
    bench.add_argument("--days", type=int, default=30, metavar="N", help="backlog to measure with (default 30)")
    bench.set_defaults(command=_bench)
    return parser


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, default=_CONFIG, metavar="FILE", help=f"the configuration ({_CONFIG})")


def _run(options: argparse.Namespace) -> int:
    from edge_agent.agent import Agent
    from edge_agent.file_lock import hold_lock
    from edge_agent.remote_config import RemoteConfig
    from edge_agent.settings import read_configuration

    settings = read_configuration(options.config).settings
    logging.basicConfig(
        stream=sys.stderr, level=settings.log.level.upper(), format="%(levelname)s %(name)s: %(message)s"
    )
    remote_config = RemoteConfig(settings.spool.path.with_suffix(".remote"))
    configuration = remote_config.load_effective(options.config)
    with hold_lock(settings.spool.path.with_suffix(".lock")):
        agent = Agent(
            configuration, base=options.config, remote_config=remote_config, trial_seconds=options.trial_seconds
        )
        result = agent.run(until_done=options.until_done)
    print(f"piekwacht-agent: {result.batches_left} batches remain in the spool", file=sys.stderr)
    if result.restart:
        sys.stderr.flush()
        os.execv(sys.executable, [sys.executable, "-m", "edge_agent", *sys.argv[1:]])  # noqa: S606 - ourselves
    return 0


def _settings(options: argparse.Namespace) -> int:
    from edge_agent.sensor_factory import create_sensors
    from edge_agent.sensor_state import SensorState
    from edge_agent.settings import read_configuration

    settings = read_configuration(options.config).settings
    create_sensors(settings.sensor, SensorState(settings.spool.path.with_suffix(".memory")))
    return 0


def _keys(options: argparse.Namespace) -> int:
    from edge_agent.identity import create_keys

    request = create_keys(options.node, options.out)
    print(f"the keys are in {options.out} and stay there; send {request} to whoever enrols nodes")
    return 0


def _check(options: argparse.Namespace) -> int:
    from edge_agent.check import NodeFindingLevel, check_node
    from edge_agent.remote_config import RemoteConfig
    from edge_agent.settings import read_configuration

    has_failure = False
    settings = read_configuration(options.config).settings
    for finding in check_node(
        RemoteConfig(settings.spool.path.with_suffix(".remote")).load_accepted(options.config).settings
    ):
        print(f"{finding.level:8} {finding.subject}: {finding.sentence}")
        has_failure = has_failure or finding.level is NodeFindingLevel.BAD
    return int(has_failure)


def _sensors(_options: argparse.Namespace) -> int:
    from edge_agent.bus_scan import scan_buses

    for line in scan_buses():
        print(line)
    return 0


def _tail(options: argparse.Namespace) -> int:
    from edge_agent.settings import read_configuration
    from edge_agent.tail import print_readings

    print_readings(read_configuration(options.config).settings.spool.path, count=options.count)
    return 0


def _bench(options: argparse.Namespace) -> int:
    from edge_agent.bench import measure_agent

    print(measure_agent(days=options.days))
    return 0


if __name__ == "__main__":
    sys.exit(main())
