"""`piekwacht doctor`: check an installation; print one sentence per finding, with the remedy."""

import argparse
import sys
from collections.abc import Iterable

import msgspec

from gateway import settings
from gateway.doctor.checks import build_checks, run_checks
from gateway.doctor.finding import Finding, FindingLevel, filter_findings

_MARKS = {
    FindingLevel.OK: "ok",
    FindingLevel.NOTE: "note",
    FindingLevel.WARNING: "WARNING",
    FindingLevel.FAULT: "FAULT",
}


_SERVICES = frozenset({"gateway", "api", "alerting", "evaluation", "subscriptions"})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    settings.add_config_argument(parser)
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="CHECK",
        choices=list(build_checks()),
        help=", ".join(build_checks()),
    )
    parser.add_argument(
        "--at", action="append", default=[], type=_parse_host, metavar="SERVICE=HOST",
        help="where gateway, api, alerting, evaluation or subscriptions runs, if not here; may be repeated",
    )  # fmt: skip
    parser.add_argument("--quiet", action="store_true", help="print only warnings and faults")
    parser.add_argument("--json", action="store_true", help="print the findings as a JSON list")


def _parse_host(text: str) -> tuple[str, str]:
    part, separator, host = text.partition("=")
    if not separator or part not in _SERVICES:
        raise argparse.ArgumentTypeError(f"{text!r} is not SERVICE=HOST, such as api=web-1")
    return part, host


def run(args: argparse.Namespace) -> int:
    """Return 0 without faults, 1 with a fault. Raises ConfigurationError (exit code 2) for unreadable settings."""
    config = settings.read(args.config)
    findings = _print_findings(run_checks(config, args.only, dict(args.at)), args)
    return 1 if any(finding.level is FindingLevel.FAULT for finding in findings) else 0


def _print_findings(findings: Iterable[Finding], args: argparse.Namespace) -> list[Finding]:
    collected = []
    for finding in findings:
        collected.append(finding)
        if not args.json:
            for shown in filter_findings([finding], quiet=args.quiet):
                print(f"{_MARKS[shown.level]:8}{shown.check:17}{shown}", flush=True)
    if args.json:
        sys.stdout.write(msgspec.json.encode(list(filter_findings(collected, quiet=args.quiet))).decode() + "\n")
    return collected
