"""The command `piekwacht`: a table of subcommands, each in a module that is imported when it is called.

Such a module has `add_arguments(parser)` and `run(args)`, which returns the exit code or None for 0. In `args.command`
stands the name of the subcommand, and `args.build_parser` makes the parser of all. Errors of configuration, gateway and
alerting end with one line on standard error.
"""

import argparse
import sys
from contextlib import suppress
from importlib import import_module
from importlib.metadata import version

from alerting.errors import AlertingError
from edge_agent.command_line import CommandParser
from edge_agent.configuration import ConfigurationError
from gateway.detection import kernel_cache
from gateway.errors import GatewayError
from gateway.system.gc_tuning import pause_gc
from gateway.system.lean_imports import hide_modules

_COMMANDS = (
    # name, help, module
    ("gateway", "receive readings, detect events, store both; one process per area", "gateway.cli.services"),
    ("api", "serve the public API, the live feed and the pages; any number of processes", "gateway.cli.services"),
    ("alerting", "notify receivers of events; any number of processes", "gateway.cli.services"),
    ("evaluate", "run the self-test and the shadow detector ([selftest], [shadow])", "gateway.cli.services"),
    ("up", "run gateway, API, alerting and evaluation together, for a small site", "gateway.cli.services"),
    ("migrate", "bring the database to the schema of this version", "gateway.cli.migrate"),
    ("upkeep", "refresh means, compress and delete old data; show what stands still", "gateway.cli.upkeep"),
    ("key", "create the signing key of the gateway or of a public log", "gateway.cli.signing_key"),
    ("site", "register areas, sites, stations and nodes", "gateway.cli.site"),
    ("basemap", "add, list and remove archives of map tiles for the pages", "gateway.cli.basemap"),
    ("ca", "create the area's certificate authority and issue certificates", "gateway.enrolment.ca_command"),
    ("node", "enrol, renew, configure and revoke nodes", "gateway.enrolment.node_command"),
    ("guest", "enrol, list and revoke sensors of others, which sign nothing", "gateway.cli.guest"),
    ("calibration", "add and show versions of the calibration of a sensor", "gateway.cli.calibration"),
    ("access", "manage the accounts and keys of staff; show the audit log", "gateway.cli.access"),
    ("doctor", "check the whole installation; print each problem with its remedy", "gateway.doctor.command"),
    ("quarantine", "list, show, retry and delete rejected payloads", "gateway.cli.quarantine"),
    ("readings", "remove readings of a station on request", "gateway.cli.readings"),
    ("backtest", "run the detector over a recording", "gateway.evaluation.backtest"),
    ("adapter", "read a sample of a foreign sensor's message", "gateway.cli.adapter"),
    ("export", "write a station's readings as CSV or Parquet", "gateway.cli.export"),
    ("assess", "count means of stations at or above published levels", "gateway.cli.assess"),
    ("hazard-index", "sum of yearly means over their limits, from declared measurements", "gateway.cli.hazard_index"),
    ("dossier", "write all that is known of an event or a period to one file", "gateway.cli.dossier"),
    ("report", "write what happened in an area over a period, as PDF or HTML", "gateway.cli.report"),
    ("complaints", "compare a file of complaints with the events of an area", "gateway.cli.complaints"),
    ("statements", "import what operators of watched sites measured and reported", "gateway.cli.statements"),
    ("context", "fetch or import values of KNMI and Luchtmeetnet that stand beside curves", "gateway.cli.context"),
    ("bench", "measure the speed of this machine", "gateway.bench.command"),
    ("shadow", "compare the events of a shadow detector with the live ones", "gateway.cli.shadow"),
    (
        "selftest",
        "add synthetic peaks to copies of stored readings and count the detected ones",
        "gateway.cli.selftest",
    ),
    ("events", "detect a stored event again from the signed bytes", "gateway.cli.events"),
    ("alerts", "explain, acknowledge and silence alerts; check the alerting settings", "gateway.cli.alerts"),
    ("subscriptions", "notify residents who subscribed; erase an address; make a key", "gateway.cli.subscriptions"),
    ("verify", "check a number, a batch or a dossier; trusts nobody, needs no network", "gateway.verification.command"),
    ("release", "sign the files of a release, or verify downloaded ones", "gateway.cli.release"),
    ("witness", "sign the heads of public logs that only grew; runs on a Pi", "gateway.cli.witness"),
    ("log", "check a whole public log; recover one after a backup was restored", "gateway.cli.log"),
    ("completion", "print the script by which a shell completes these commands", "gateway.cli.completion"),
    ("demo", "run all of Piekwacht on this machine, with simulated nodes", "gateway.demo.command"),
)
_FORMER_COMMANDS = {"beside": "evaluate", "prune": "upkeep run"}


def main(argv: list[str] | None = None) -> int:
    """Run `piekwacht`; returns the exit code: 2 for a wrong configuration, 1 if something is missing or fails."""
    kernel_cache.choose_cache_folder()
    argv = sys.argv[1:] if argv is None else argv
    with pause_gc():
        with hide_modules("rich"), suppress(ImportError):  # structlog tries it; a witness has no structlog
            import structlog  # noqa: F401 - modules of every command import it

        args = build_parser(argv[0] if argv else "").parse_args(argv)
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


def build_parser(command_name: str | None = None) -> argparse.ArgumentParser:
    """The parser with every subcommand; arguments, and so imports, only of the given one (None: of all)."""
    parser = CommandParser(prog="piekwacht", description="Detect short peaks of pollution and prove them.")
    parser.add_argument("--version", action="version", version=f"piekwacht {version('piekwacht')}")
    if command_name in _FORMER_COMMANDS:
        parser.error(f"the command `{command_name}` is called `{_FORMER_COMMANDS[command_name]}` now")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, help_text, module_name in _COMMANDS:
        subparser = commands.add_parser(name, help=help_text)
        if command_name in {None, name}:
            module = import_module(module_name)
            subparser.set_defaults(command=name, run=module.run, build_parser=build_parser)
            module.add_arguments(subparser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
