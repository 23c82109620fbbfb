"""`piekwacht log audit`: follow a whole public log and check everything in it (gateway.verification.audit).

It runs where only `piekwacht[edge]` is installed. `piekwacht log recover` needs the gateway (gateway.cli.log_recovery).
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
    """Add the actions `audit` and `recover`."""
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
    recover = actions.add_parser(
        "recover", help="after an older backup was restored: take the missing leaves from the published log"
    )
    recover.add_argument("area", help="area of the log, such as ijmond")
    recover.add_argument(
        "--from", dest="copy", metavar="URL", help="copy of the log, address or folder; default: the log's own folder"
    )
    recover.add_argument(
        "--config",
        type=Path,
        default=Path("piekwacht.toml"),
        metavar="FILE.toml",
        help="the configuration (piekwacht.toml in this folder)",
    )
    recover.set_defaults(action=_recover)


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


def _recover(args: argparse.Namespace) -> int:
    from gateway.cli.log_recovery import recover  # noqa: PLC0415 - an auditor has no database driver

    recover(args.config, args.area, args.copy)
    return 0


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
