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

_SERVICES = {
    "gateway": ("take in, detect, store: one writer an area", ["gateway"]),
    "api": ("public API, live feed and pages; stateless", ["api"]),
    "alerting": ("tell people; several may run", ["alerting"]),
    "beside": ("judge the detector while it works: [shadow], [selftest]; apart from the gateway", ["beside"]),
    "up": ("gateway, api and alerting in one process: a small site", ["gateway", "api", "alerting", "companion"]),
}


def main(argv: list[str] | None = None) -> int:
    """Run `piekwacht`; returns the exit code: 2 for a bad configuration, 1 where something is missing."""
    kernel_cache.choose_cache_folder()
    argv = sys.argv[1:] if argv is None else argv
    args = _build_parser(argv[0] if argv else "").parse_args(argv)
    try:
        return int(args.run(args) or 0)
    except ConfigurationError as error:
        print(f"piekwacht: {error}", file=sys.stderr)
        return 2
    except (GatewayError, AlertingError) as error:
        print(f"piekwacht: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _build_parser(command_name: str | None = None) -> argparse.ArgumentParser:
    """Every command; the arguments, and the imports that some need, only of the chosen one (None: of all)."""
    parser = argparse.ArgumentParser(prog="piekwacht", description="See and prove short peaks of pollution.")
    parser.add_argument("--version", action="version", version=f"piekwacht {version('piekwacht')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (help_, services) in _SERVICES.items():
        subparser = commands.add_parser(name, help=help_)
        _add_config(subparser)
        subparser.set_defaults(run=_run_services, parts=services)
    for name, (help_, add_arguments) in _list_commands().items():
        subparser = commands.add_parser(name, help=help_)
        if command_name in {None, name}:
            add_arguments(subparser)
    return parser


def _list_commands() -> dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]]:
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


def _run_services(args: argparse.Namespace) -> None:
    from gateway import settings

    configuration = settings.read(args.config)  # what is wrong with it is told before all the rest is loaded
    from gateway.doctor import startup
    from gateway.service import run

    run.run(configuration, args.parts, args.config, startup.log_faults)


def _add_migrate(parser: argparse.ArgumentParser) -> None:
    from gateway.cli import database

    _add_config(parser)
    parser.add_argument("--check", action="store_true", help="only tell what would run")
    parser.set_defaults(run=database.run_migrate)


def _add_prune(parser: argparse.ArgumentParser) -> None:
    from gateway.cli import database

    _add_config(parser)
    parser.set_defaults(run=database.run_prune)


def _add_key(parser: argparse.ArgumentParser) -> None:
    from gateway.cli import signing_key

    signing_key.add_arguments(parser)


def _add_site(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    apply = actions.add_parser("apply", help="create or change what the file names")
    apply.add_argument("file", type=Path, metavar="SITE.toml")
    _add_config(apply)
    apply.set_defaults(run=_apply_site)


def _apply_site(args: argparse.Namespace) -> None:
    from gateway import settings
    from gateway.enrolment import site_file

    description = site_file.read_site_file(args.file)
    site_file.apply_site_file(description, settings.read(args.config).database.dsn, folder=args.file.parent)
    print(f"{description.area.id}: {len(description.station)} stations, {len(description.node)} nodes, in the registry")


def _add_ca(parser: argparse.ArgumentParser) -> None:
    from gateway.enrolment import ca_command

    ca_command.add_arguments(parser)


def _add_node(parser: argparse.ArgumentParser) -> None:
    from gateway.enrolment import node_command

    node_command.add_arguments(parser, _add_config)


def _add_access(parser: argparse.ArgumentParser) -> None:
    from gateway.access import command

    command.add_arguments(parser, _add_config, _read_dsn)


def _read_dsn(config: Path) -> str:
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
    parser.set_defaults(run=_run_quarantine)


def _run_quarantine(args: argparse.Namespace) -> int:
    from gateway import settings
    from gateway.cli import quarantine

    return quarantine.run(args, settings.read(args.config).database.dsn)


def _add_backtest(parser: argparse.ArgumentParser) -> None:
    from gateway.evaluation import backtest

    backtest.add_arguments(parser)
    parser.set_defaults(run=backtest.run)


def _add_export(parser: argparse.ArgumentParser) -> None:
    from gateway.export import command

    _add_config(parser)
    command.add_arguments(parser)
    parser.set_defaults(run=_run_export)


def _run_export(args: argparse.Namespace) -> None:
    from gateway import settings
    from gateway.export import command

    configuration = settings.read(args.config)
    command.run(args, configuration.database.dsn, configuration.api.operator)


def _add_bench(parser: argparse.ArgumentParser) -> None:
    from gateway.bench import command

    command.add_arguments(parser)


def _add_shadow(parser: argparse.ArgumentParser) -> None:
    from gateway.evaluation.shadow import command

    actions = parser.add_subparsers(required=True, metavar="ACTION")
    report = actions.add_parser("report", help="agreed, only live, only shadow: ids, times, sizes")
    command.add_arguments(report)
    _add_config(report)
    report.set_defaults(run=lambda args: command.run(args, _read_dsn(args.config)))


def _add_selftest(parser: argparse.ArgumentParser) -> None:
    from gateway.evaluation.selftest import command

    command.add_arguments(parser)
    _add_config(parser)
    parser.set_defaults(run=_run_selftest)


def _run_selftest(args: argparse.Namespace) -> int:
    from gateway import settings
    from gateway.evaluation.selftest import command
    from gateway.evaluation.selftest.settings import SelfTestSettings

    configuration = settings.read(args.config)
    return command.run(
        args, configuration.database.dsn, configuration.detection, configuration.selftest or SelfTestSettings()
    )


def _add_events(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    replay = actions.add_parser("replay", help="0: the same data give the identical event again; 1: they do not")
    replay.add_argument("id", help="of the event, as in its address")
    _add_config(replay)
    replay.set_defaults(run=_run_replay)


def _run_replay(args: argparse.Namespace) -> int:
    from gateway import settings
    from gateway.evaluation import replay

    return replay.run(settings.read(args.config).database.dsn, args.id)


def _add_alerts(parser: argparse.ArgumentParser) -> None:
    _add_config(parser)
    alert_commands.add_arguments(parser)
    parser.set_defaults(run=_run_alerts)


def _run_alerts(args: argparse.Namespace) -> int:
    from gateway import settings

    configuration = settings.read(args.config)
    return alert_commands.run(args, configuration.alerting, configuration.database.dsn)


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
    parser.set_defaults(run=_run_demo)


def _run_demo(args: argparse.Namespace) -> int:
    from gateway.demo import run

    options = run.Options(
        port=args.port,
        nodes=args.nodes,
        speed=args.speed,
        replay=args.replay,
        data_dir=args.data_dir,
        duration=args.duration,
    )
    return run.run(options)


if __name__ == "__main__":
    sys.exit(main())
