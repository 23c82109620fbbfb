"""`piekwacht witness`: make the key of a witness, run it, show what it signed (gateway.witness).

It runs where only `piekwacht[edge]` is installed.
"""

import argparse
from pathlib import Path

import msgspec

from edge_agent.configuration import load_toml
from gateway.cli.signing_key import create_key
from gateway.errors import GatewayError
from gateway.transparency.cosignature import WitnessKey
from gateway.witness.errors import WitnessError
from gateway.witness.log_lines import configure_log_lines
from gateway.witness.page import format_time
from gateway.witness.run import run_witness
from gateway.witness.service import WitnessService
from gateway.witness.settings import WitnessSettings, read_logs, read_signer, state_beside
from gateway.witness.state import ConflictKind, WitnessState


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions `key`, `run` and `show`."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    key = actions.add_parser("key", help="make the key and the empty memory of a new witness; print the public key")
    key.add_argument("name", help="name in signatures, such as dorpsraad.example.org/witness")
    key.add_argument("file", type=Path, help="new file for the private key (mode 0600); the memory is put beside it")
    key.set_defaults(action=_create_key)
    run_ = actions.add_parser("run", help="sign the heads of the logs in the configuration until SIGTERM")
    run_.set_defaults(action=_run)
    show = actions.add_parser("show", help="print key, logs and newest heads; exit code 1 if a log was forked")
    show.add_argument("--json", action="store_true", help="print them as a JSON object")
    show.set_defaults(action=_show)
    for action in (run_, show):
        action.add_argument("--config", type=Path, required=True, metavar="FILE", help="witness.toml")


def run(args: argparse.Namespace) -> int:
    """Run the chosen action."""
    try:
        code: int = args.action(args)
    except WitnessError as error:
        raise GatewayError(str(error)) from None
    return code


def _create_key(args: argparse.Namespace) -> int:
    key = str(WitnessKey.of(create_key(args.name, args.file)))
    WitnessState.create(state_beside(args.file), key)
    print(key)
    return 0


def _run(args: argparse.Namespace) -> int:
    configure_log_lines()
    run_witness(load_toml(args.config, WitnessSettings))
    return 0


def _show(args: argparse.Namespace) -> int:
    settings = load_toml(args.config, WitnessSettings)
    signer, logs = read_signer(settings.key_file), read_logs(settings)
    with WitnessState(settings.state_path, str(WitnessKey.of(signer))) as state:
        summary = WitnessService(signer, logs, state).summarise()
    has_fork = bool(summary.select_conflicts(ConflictKind.FORK))
    if args.json:
        print(msgspec.json.encode(summary, enc_hook=str).decode())
        return int(has_fork)
    print(f"key {summary.key}")
    for log in summary.logs:
        newest = log.newest
        head = f"{newest.size} leaves, signed {format_time(newest.cosigned_at)}" if newest else "no head signed yet"
        print(f"log {log.origin}: {head}")
    for conflict in summary.conflicts:
        print(f"{conflict.kind}: {conflict.origin}, {conflict.size} leaves, {format_time(conflict.received_at)}")
        print(conflict.signed_note.decode("utf-8", "replace"))
        print(conflict.note.decode("utf-8", "replace"))
    return int(has_fork)
