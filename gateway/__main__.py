"""The command `piekwacht`. Each subcommand imports what it needs when it is called."""

import argparse
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from alerting import cli as alert_commands
from alerting.errors import AlertingError
from edge_agent.configuration import ConfigurationError
from gateway.detection import kernel_cache
from gateway.errors import GatewayError

_PARTS = {
    "gateway": ("take in, detect, store: one writer an area", ["gateway"]),
    "api": ("public API, live feed and pages; stateless", ["api"]),
    "alerting": ("tell people; several may run", ["alerting"]),
    "beside": ("judge the detector while it works: [shadow], [selftest]; apart from the gateway", ["beside"]),
    "up": ("gateway, api and alerting in one process: a small site", ["gateway", "api", "alerting", "companion"]),
}


def main(arguments: list[str] | None = None) -> int:
    """Run `piekwacht`; returns the exit code: 2 for a bad configuration, 1 where something is missing."""
    kernel_cache.provide()
    words = sys.argv[1:] if arguments is None else arguments
    given = _parser(words[0] if words else "").parse_args(words)
    try:
        return int(given.run(given) or 0)
    except ConfigurationError as error:
        print(f"piekwacht: {error}", file=sys.stderr)
        return 2
    except (GatewayError, AlertingError) as error:
        print(f"piekwacht: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser(chosen: str | None = None) -> argparse.ArgumentParser:
    """Every command; the arguments, and the imports that some need, only of the chosen one (None: of all)."""
    parser = argparse.ArgumentParser(prog="piekwacht", description="See and prove short peaks of pollution.")
    parser.add_argument("--version", action="version", version=f"piekwacht {version('piekwacht')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (help_, parts) in _PARTS.items():
        one = commands.add_parser(name, help=help_)
        _add_config(one)
        one.set_defaults(run=_serve, parts=parts)
    for name, (help_, add) in _commands().items():
        one = commands.add_parser(name, help=help_)
        if chosen in {None, name}:
            add(one)
    return parser


def _commands() -> dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]]:
    return {
        "migrate": ("bring the database to this version's schema", _add_migrate),
        "prune": ("delete what [retention] says is too old; daily, from a timer", _add_prune),
        "key": ("make the gateway's signing key", _add_key),
        "site": ("put areas, sites, stations and nodes into the registry", _add_site),
        "ca": ("the area's certificate authority", _add_ca),
        "node": ("enrol, renew, configure and revoke nodes", _add_node),
        "access": ("accounts and keys of staff; who did what", _add_access),
        "doctor": ("look a whole installation over: what is wrong, what to do", _add_doctor),
        "quarantine": ("what was refused and why: list, show, replay, empty", _add_quarantine),
        "backtest": ("the gateway's own detector over a recording", _add_backtest),
        "export": ("what a station measured, as CSV or Parquet", _add_export),
        "bench": ("what this machine can bear", _add_bench),
        "shadow": ("what a second detector found beside the live one", _add_shadow),
        "selftest": ("synthetic peaks in copies of stored readings: how many are found", _add_selftest),
        "events": ("find a stored event again from the signed bytes", _add_events),
        "alerts": ("why somebody was told or not; acknowledge, silence", _add_alerts),
        "release": ("sign what was built; check what was downloaded", _add_release),
        "demo": ("the whole of Piekwacht on this machine, nothing to install", _add_demo),
    }


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, default=Path("piekwacht.toml"), metavar="FILE.toml")


def _serve(given: argparse.Namespace) -> None:
    from gateway import settings

    read = settings.read(given.config)  # what is wrong with it is told before all the rest is loaded
    from gateway.doctor import startup
    from gateway.service import run

    run.run(read, given.parts, given.config, startup.look)


def _add_migrate(parser: argparse.ArgumentParser) -> None:
    from gateway.cli import database

    _add_config(parser)
    parser.add_argument("--check", action="store_true", help="only tell what would run")
    parser.set_defaults(run=database.bring_up_to_date)


def _add_prune(parser: argparse.ArgumentParser) -> None:
    from gateway.cli import database

    _add_config(parser)
    parser.set_defaults(run=database.prune)


def _add_key(parser: argparse.ArgumentParser) -> None:
    from gateway.cli import signing_key

    signing_key.add_arguments(parser)


def _add_site(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    apply = actions.add_parser("apply", help="create or change what the file names")
    apply.add_argument("file", type=Path, metavar="SITE.toml")
    _add_config(apply)
    apply.set_defaults(run=_site)


def _site(given: argparse.Namespace) -> None:
    from gateway import settings
    from gateway.enrolment import site_file

    described = site_file.read(given.file)
    site_file.apply(described, settings.read(given.config).database.dsn, beside=given.file.parent)
    print(f"{described.area.id}: {len(described.station)} stations, {len(described.node)} nodes, in the registry")


def _add_ca(parser: argparse.ArgumentParser) -> None:
    from gateway.enrolment import ca_command

    ca_command.add_arguments(parser)


def _add_node(parser: argparse.ArgumentParser) -> None:
    from gateway.enrolment import node_command

    node_command.add_arguments(parser, _add_config)


def _add_access(parser: argparse.ArgumentParser) -> None:
    from gateway.access import command

    command.add_arguments(parser, _add_config, _dsn)


def _dsn(config: Path) -> str:
    from gateway import settings

    return settings.read(config).database.dsn


def _add_doctor(parser: argparse.ArgumentParser) -> None:
    from gateway.doctor import command

    _add_config(parser)
    command.add_arguments(parser)


def _add_quarantine(parser: argparse.ArgumentParser) -> None:
    from gateway.cli import quarantine

    _add_config(parser)
    quarantine.add_arguments(parser)
    parser.set_defaults(run=_quarantine)


def _quarantine(given: argparse.Namespace) -> int:
    from gateway import settings
    from gateway.cli import quarantine

    return quarantine.run(given, settings.read(given.config).database.dsn)


def _add_backtest(parser: argparse.ArgumentParser) -> None:
    from gateway.evaluation import backtest

    backtest.add_arguments(parser)
    parser.set_defaults(run=backtest.run)


def _add_export(parser: argparse.ArgumentParser) -> None:
    from gateway.export import command

    _add_config(parser)
    command.add_arguments(parser)
    parser.set_defaults(run=_export)


def _export(given: argparse.Namespace) -> None:
    from gateway import settings
    from gateway.export import command

    read = settings.read(given.config)
    command.run(given, read.database.dsn, read.api.operator)


def _add_bench(parser: argparse.ArgumentParser) -> None:
    from gateway.bench import command

    command.add_arguments(parser)


def _add_shadow(parser: argparse.ArgumentParser) -> None:
    from gateway.evaluation.shadow import command

    actions = parser.add_subparsers(required=True, metavar="ACTION")
    report = actions.add_parser("report", help="agreed, only live, only shadow: ids, times, sizes")
    command.add_arguments(report)
    _add_config(report)
    report.set_defaults(run=lambda given: command.run(given, _dsn(given.config)))


def _add_selftest(parser: argparse.ArgumentParser) -> None:
    from gateway.evaluation.selftest import command

    command.add_arguments(parser)
    _add_config(parser)
    parser.set_defaults(run=_selftest)


def _selftest(given: argparse.Namespace) -> int:
    from gateway import settings
    from gateway.evaluation.selftest import command
    from gateway.evaluation.selftest.settings import SelfTestSettings

    read = settings.read(given.config)
    return command.run(given, read.database.dsn, read.detection, read.selftest or SelfTestSettings())


def _add_events(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    replay = actions.add_parser("replay", help="0: the same data give the identical event again; 1: they do not")
    replay.add_argument("id", help="of the event, as in its address")
    _add_config(replay)
    replay.set_defaults(run=_replay)


def _replay(given: argparse.Namespace) -> int:
    from gateway import settings
    from gateway.evaluation import replay

    return replay.run(settings.read(given.config).database.dsn, given.id)


def _add_alerts(parser: argparse.ArgumentParser) -> None:
    _add_config(parser)
    alert_commands.add_arguments(parser)
    parser.set_defaults(run=_alerts)


def _alerts(given: argparse.Namespace) -> int:
    from gateway import settings

    read = settings.read(given.config)
    return alert_commands.run(given, read.alerting, read.database.dsn)


def _add_release(parser: argparse.ArgumentParser) -> None:
    from gateway.cli import release

    release.add_arguments(parser)


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=8080, help="where the map and the API answer")
    parser.add_argument("--nodes", type=int, default=12, help="how many agents run, 1 to 12")
    parser.add_argument("--speed", type=float, default=1.0, help="how fast the nodes' world runs")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="let the nodes replay a recording")
    parser.add_argument("--data-dir", type=Path, help="keep everything here instead of in a temporary folder")
    parser.add_argument("--duration", type=float, metavar="SECONDS", help="stop after so long with an account in JSON")
    parser.set_defaults(run=_demo)


def _demo(given: argparse.Namespace) -> int:
    from gateway.demo import run

    options = run.Options(
        port=given.port,
        nodes=given.nodes,
        speed=given.speed,
        replay=given.replay,
        data_dir=given.data_dir,
        duration=given.duration,
    )
    return run.run(options)


if __name__ == "__main__":
    sys.exit(main())
