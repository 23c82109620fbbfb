"""`piekwacht quarantine`: list and show rejected payloads, have them retried, or delete them under your name."""

import argparse
import getpass

import msgspec

from alerting.log import escape_unprintable
from alerting.vocabulary import count_things
from edge_agent.command_line import parse_time
from edge_agent.configuration import ConfigurationError
from gateway import settings
from gateway.decoding.rejection import RejectionReason
from gateway.model.timestamps import format_seconds
from gateway.operator import quarantine
from gateway.operator.actor import local_actor
from gateway.store.connection import connect

_MAX_SHOWN_CHARACTERS = 200  # of a topic in the list


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --config and the actions."""
    settings.add_config_argument(parser)
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    list_ = actions.add_parser("list", help="newest first; without --reason also the number of payloads per reason")
    list_.add_argument("--since", type=parse_time, metavar="TIME", help="RFC 3339, such as 2026-11-21T03:00:00Z")
    list_.add_argument("--limit", type=int, default=20, help="number of payloads (20)")
    list_.add_argument("--json", action="store_true", help="print the payloads as a JSON list")
    list_.set_defaults(action=_list_entries)
    show = actions.add_parser("show", help="print one payload as it was received")
    show.add_argument("id", type=int, help="number of the payload, as `list` prints it")
    show.add_argument("--json", action="store_true", help="print it as a JSON object, the payload in base64")
    show.set_defaults(action=_show_payload)
    replay = actions.add_parser("replay", help="let the running gateway decode these payloads again")
    replay.add_argument("id", type=int, nargs="*", help="numbers of the payloads, as `list` prints them")
    replay.set_defaults(action=_request_replay)
    empty = actions.add_parser("empty", help="delete payloads; id, topic, reason and hash of each stay on record")
    empty.add_argument(
        "--before", type=parse_time, required=True, metavar="TIME", help="delete what was received before; RFC 3339"
    )
    empty.add_argument("--yes", action="store_true", help="confirm the deletion")
    empty.set_defaults(action=_delete_payloads)
    for subparser in (list_, replay, empty):
        subparser.add_argument(
            "--reason", choices=[reason.value for reason in RejectionReason], help="only payloads rejected for this"
        )


def run(args: argparse.Namespace) -> None:
    """Run the chosen action."""
    args.action(args, settings.read(args.config).database.dsn)


def _list_entries(args: argparse.Namespace, dsn: str) -> None:
    actor = local_actor(getpass.getuser())
    with connect(dsn) as connection:
        rows = quarantine.list_payloads(connection, actor, args.limit, reason=args.reason, since=args.since)
        reasons = quarantine.count_reasons(connection, actor) if args.reason is None and not args.json else []
    if args.json:
        print(msgspec.json.encode(rows).decode())
        return
    for row in reasons:
        print(f"{row.count:8} {row.reason:18} {row.first_at:%Y-%m-%d %H:%M:%S}Z to {row.last_at:%Y-%m-%d %H:%M:%S}Z")
    if not rows:
        print("no such payload is in quarantine" if args.reason or args.since else "the quarantine is empty")
    for entry in rows:
        state = f"  [{entry.outcome or 'to be retried'}]" if entry.replay_asked_at else ""
        topic, detail = escape_unprintable(entry.topic[:_MAX_SHOWN_CHARACTERS]), escape_unprintable(entry.detail)
        print(f"#{entry.id} {entry.received_at:%Y-%m-%d %H:%M:%S}Z {topic} {entry.size} bytes")
        print(f"    {entry.reason}: {detail}{state}")


def _show_payload(args: argparse.Namespace, dsn: str) -> None:
    with connect(dsn) as connection:
        row = quarantine.get_payload(connection, local_actor(getpass.getuser()), args.id)
    if args.json:
        print(msgspec.json.encode(row).decode())
        return
    print(f"#{row.id} was received at {format_seconds(row.received_at)} on {escape_unprintable(row.topic)}")
    print(f"{row.reason}: {escape_unprintable(row.detail)}")
    if row.replay_asked_at:
        attempt = f"retried {format_seconds(row.replayed_at)}: {row.outcome}" if row.replayed_at else "not yet retried"
        print(f"replay requested by {row.replay_asked_by} at {format_seconds(row.replay_asked_at)}; {attempt}")
    print(f"{len(row.payload)} bytes:")
    print("\n".join(map(escape_unprintable, row.shown_text.split("\n"))))
    if row.hidden_bytes:
        print(f"... and {row.hidden_bytes} more bytes")


def _request_replay(args: argparse.Namespace, dsn: str) -> None:
    if not args.id and args.reason is None:
        raise ConfigurationError("give ids, or --reason for all payloads with that reason")
    actor = local_actor(getpass.getuser())
    with connect(dsn) as connection:
        count = quarantine.request_retry(connection, actor, args.id) if args.id else 0
        if args.reason is not None:
            count += quarantine.request_retry_of_reason(connection, actor, args.reason)
    print(
        f"{count_things(count, 'payload')} will be retried by the running gateway; `list` and `show` print the outcome"
    )


def _delete_payloads(args: argparse.Namespace, dsn: str) -> None:
    if not args.yes:
        raise ConfigurationError("deleted payloads cannot be restored; add --yes to confirm")
    with connect(dsn) as connection:
        count = quarantine.delete_payloads(connection, local_actor(getpass.getuser()), args.before, args.reason)
    print(f"{count_things(count, 'payload')} deleted; the table quarantine_emptied records who deleted which")
