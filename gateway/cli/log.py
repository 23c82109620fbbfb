"""`piekwacht log audit`: follow a whole public log and check everything in it (gateway.verification.audit).

It runs where only `piekwacht[edge]` is installed.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from gateway.transparency.errors import ProofError
from gateway.verification.audit import AuditReport, audit
from gateway.verification.log_files import UnreachableError

_MOST_LINES = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the action `audit`."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    action = actions.add_parser(
        "audit",
        help="check everything that is new since the last visit; exit code 1 if the log is forked, shrunken or wrong,"
        " 3 if it cannot be read now",
    )
    action.add_argument("log", metavar="URL", help="address of the log, or the folder with its files")
    action.add_argument("--state", type=Path, required=True, metavar="DIR", help="folder with what the last visits saw")
    action.add_argument(
        "--policy", type=Path, metavar="FILE", help="your own policy; default: the one that the log had at first visit"
    )
    action.set_defaults(action=_audit)


def run(args: argparse.Namespace) -> int:
    """Run the chosen action."""
    code: int = args.action(args)
    return code


def _audit(args: argparse.Namespace) -> int:
    try:
        report = audit(args.log, args.state, args.policy)
    except ProofError as error:
        print(f"piekwacht: {error}", file=sys.stderr)
        return 1
    except UnreachableError as error:
        print(f"piekwacht: {error}", file=sys.stderr)
        return 3
    _print_report(report)
    return int(bool(report.faults))


def _print_report(report: AuditReport) -> None:
    since = f"since {report.last_visit}" if report.last_visit else "at the first visit"
    print(f"{report.checkpoint.origin}: {report.checkpoint.size} leaves, {report.new_leaves} new {since}; all fit")
    for kind, count in sorted(report.leaves.items()):
        print(f"  {count} {kind}")
    for cosignature in report.witnesses:
        print(
            f"  signed by {cosignature.witness} at {datetime.fromtimestamp(cosignature.time, UTC):%Y-%m-%dT%H:%M:%SZ}"
        )
    if not report.policy_is_own:
        print("  by the policy that the log itself had at the first visit; --policy takes your own")
    _print_some("missing batches, which may still come, of", report.gaps)
    _print_some("FAULT:", report.faults)


def _print_some(title: str, lines: Sequence[str]) -> None:
    for line in lines[:_MOST_LINES]:
        print(f"  {title} {line}")
    if len(lines) > _MOST_LINES:
        print(f"  {title} {len(lines) - _MOST_LINES} more")
