"""`piekwacht quarantine`: list and show rejected payloads, have them retried, or delete them under your name."""

import argparse
import getpass
from datetime import UTC, datetime

import msgspec
from msgspec import Struct
from psycopg.rows import class_row

from alerting.log import escape_unprintable
from alerting.vocabulary import count_things
from edge_agent.configuration import ConfigurationError
from gateway import settings
from gateway.decoding.rejection import RejectionReason
from gateway.errors import GatewayError
from gateway.model.timestamps import format_seconds
from gateway.store.connection import QUERIES, connect

_MAX_SHOWN_BYTES = 4096
_MAX_SHOWN_CHARACTERS = 200  # of a topic in the list


class QuarantineEntry(Struct, frozen=True, kw_only=True):
    """One row of `list`."""

    id: int
    received_at: datetime
    topic: str
    reason: str
    detail: str
    size: int
    replay_asked_at: datetime | None
    outcome: str | None


class QuarantinedPayload(Struct, frozen=True, kw_only=True):
    """One payload, as `show` prints it."""

    id: int
    received_at: datetime
    topic: str
    reason: str
    detail: str
    payload: bytes
    replay_asked_at: datetime | None
    replay_asked_by: str | None
    replayed_at: datetime | None
    outcome: str | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --config and the actions."""
    settings.add_config_argument(parser)
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    list_ = actions.add_parser("list", help="newest first; without --reason also the number of payloads per reason")
    list_.add_argument("--since", type=_parse_time, metavar="TIME", help="RFC 3339, such as 2026-11-21T03:00:00Z")
    list_.add_argument("--limit", type=int, default=20, help="number of payloads (20)")
    list_.add_argument("--json", action="store_true", help="print the payloads as a JSON list")
    list_.set_defaults(action=_list_entries)
    show = actions.add_parser("show", help="print one payload as it was received")
    show.add_argument("id", type=int, help="number of the payload, as `list` prints it")
    show.set_defaults(action=_show_payload)
    replay = actions.add_parser("replay", help="let the running gateway decode these payloads again")
    replay.add_argument("id", type=int, nargs="*", help="numbers of the payloads, as `list` prints them")
    replay.set_defaults(action=_request_replay)
    empty = actions.add_parser("empty", help="delete payloads; id, topic, reason and hash of each stay on record")
    empty.add_argument(
        "--before", type=_parse_time, required=True, metavar="TIME", help="delete what was received before; RFC 3339"
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


def _parse_time(text: str) -> datetime:
    parsed = datetime.fromisoformat(text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _list_entries(args: argparse.Namespace, dsn: str) -> None:
    with connect(dsn) as connection:
        if args.reason is None and not args.json:
            for reason, count, first, last in connection.execute(QUERIES["count_quarantine_by_reason"]):
                print(f"{count:8} {reason:18} {first:%Y-%m-%d %H:%M:%S}Z to {last:%Y-%m-%d %H:%M:%S}Z")
        parameters = {"reason": args.reason, "since": args.since, "limit": args.limit}
        cursor = connection.cursor(row_factory=class_row(QuarantineEntry))
        rows = cursor.execute(QUERIES["list_quarantine"], parameters).fetchall()
        if args.json:
            print(msgspec.json.encode(rows).decode())
            return
        if not rows:
            print("no such payload is in quarantine" if args.reason or args.since else "the quarantine is empty")
        for row in rows:
            state = f"  [{row.outcome or 'to be retried'}]" if row.replay_asked_at else ""
            topic, detail = escape_unprintable(row.topic[:_MAX_SHOWN_CHARACTERS]), escape_unprintable(row.detail)
            print(f"#{row.id} {row.received_at:%Y-%m-%d %H:%M:%S}Z {topic} {row.size} bytes")
            print(f"    {row.reason}: {detail}{state}")


def _show_payload(args: argparse.Namespace, dsn: str) -> None:
    with connect(dsn) as connection:
        cursor = connection.cursor(row_factory=class_row(QuarantinedPayload))
        row = cursor.execute(QUERIES["select_quarantine_entry"], {"id": args.id}).fetchone()
    if row is None:
        raise GatewayError(f"no payload #{args.id} is in quarantine; `piekwacht quarantine list` shows their ids")
    print(f"#{row.id} was received at {format_seconds(row.received_at)} on {escape_unprintable(row.topic)}")
    print(f"{row.reason}: {escape_unprintable(row.detail)}")
    if row.replay_asked_at:
        attempt = f"retried {format_seconds(row.replayed_at)}: {row.outcome}" if row.replayed_at else "not yet retried"
        print(f"replay requested by {row.replay_asked_by} at {format_seconds(row.replay_asked_at)}; {attempt}")
    print(f"{len(row.payload)} bytes:")
    text = row.payload[:_MAX_SHOWN_BYTES].decode("utf-8", "backslashreplace")
    print("\n".join(map(escape_unprintable, text.split("\n"))))
    if len(row.payload) > _MAX_SHOWN_BYTES:
        print(f"... and {len(row.payload) - _MAX_SHOWN_BYTES} more bytes")


def _request_replay(args: argparse.Namespace, dsn: str) -> None:
    if not args.id and args.reason is None:
        raise ConfigurationError("give ids, or --reason for all payloads with that reason")
    with connect(dsn) as connection:
        parameters = {"ids": args.id, "reason": args.reason, "by": getpass.getuser()}
        count = connection.execute(QUERIES["request_replay"], parameters).rowcount
    print(
        f"{count_things(count, 'payload')} will be retried by the running gateway; `list` and `show` print the outcome"
    )


def _delete_payloads(args: argparse.Namespace, dsn: str) -> None:
    if not args.yes:
        raise ConfigurationError("deleted payloads cannot be restored; add --yes to confirm")
    with connect(dsn) as connection:
        parameters = {"before": args.before, "reason": args.reason, "by": getpass.getuser()}
        count = connection.execute(QUERIES["delete_quarantine"], parameters).rowcount
    print(f"{count_things(count, 'payload')} deleted; the table quarantine_emptied records who deleted which")
