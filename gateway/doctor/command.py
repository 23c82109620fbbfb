"""`piekwacht doctor`: looks a whole installation over and says in one sentence each what is wrong and what to do."""

import argparse
import sys
from collections.abc import Iterable

import msgspec

from gateway import settings
from gateway.doctor.checks import checks, examine
from gateway.doctor.finding import Finding, Level, told

_MARKS = {Level.WELL: "ok", Level.NOTE: "note", Level.WARNING: "WARNING", Level.FAULT: "FAULT"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command, --config aside."""
    parser.add_argument(
        "--only", action="append", default=[], metavar="CHECK", choices=list(checks()), help=", ".join(checks())
    )
    parser.add_argument(
        "--at", action="append", default=[], type=_place, metavar="PART=HOST",
        help="where gateway, api, alerting or beside runs, if not here; may be repeated",
    )  # fmt: skip
    parser.add_argument("--quiet", action="store_true", help="say only what somebody has to do something about")
    parser.add_argument("--json", action="store_true", help="a list of findings, for programs")
    parser.set_defaults(run=run)


def _place(text: str) -> tuple[str, str]:
    part, found, host = text.partition("=")
    if not found or part not in {"gateway", "api", "alerting", "beside"}:
        raise argparse.ArgumentTypeError(f"{text!r} is not such as api=web-1")
    return part, host


def run(given: argparse.Namespace) -> int:
    """0: well, perhaps with warnings; 1: something does not work; 2 (raised): the settings cannot be read."""
    read = settings.read(given.config)
    findings = _shown(examine(read, given.only, dict(given.at)), given)
    return 1 if any(one.level is Level.FAULT for one in findings) else 0


def _shown(findings: Iterable[Finding], given: argparse.Namespace) -> list[Finding]:
    kept = []
    for one in findings:
        kept.append(one)
        if not given.json:
            for line in told([one], quiet=given.quiet):
                print(f"{_MARKS[line.level]:8}{line.check:13}{line}", flush=True)
    if given.json:
        sys.stdout.write(msgspec.json.encode(list(told(kept, quiet=given.quiet))).decode() + "\n")
    return kept
