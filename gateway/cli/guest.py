"""`piekwacht guest`: enrol a sensor of somebody else, list them, give one a new token, revoke one."""

import argparse
import getpass
from datetime import date
from pathlib import Path

import msgspec

from alerting.log import escape_unprintable
from gateway import settings
from gateway.adapters.formats import FORMATS
from gateway.adapters.mapping import load_mapping
from gateway.errors import StartError
from gateway.model.timestamps import format_seconds
from gateway.operator import guests
from gateway.operator.actor import local_actor
from gateway.store.connection import connect


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --config and the actions."""
    settings.add_config_argument(parser)
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    add = actions.add_parser("add", help="enrol a guest; its token is printed once and stored hashed")
    add.add_argument("node", help="id of the guest and its station; begins with guest-")
    add.add_argument("--area", required=True, help="id of the area")
    add.add_argument(
        "--name", required=True, help="name of the station on pages, such as a street; (sensor van bewoner) is added"
    )
    add.add_argument("--at", type=_parse_place, required=True, metavar="LAT,LON", help="place, in degrees WGS 84")
    add.add_argument("--format", required=True, choices=FORMATS, help="format of its messages")
    add.add_argument("--sender", required=True, help="its device in the messages: serial number, dev_eui, esp8266-...")
    add.add_argument("--mapping", type=Path, metavar="FILE.toml", help="where its messages have their values")
    add.add_argument("--topic", help="MQTT topic of its messages, if it publishes to the broker of the gateway")
    add.add_argument("--poll", metavar="URL", help="address that the gateway reads, if the sensor does not send")
    add.add_argument("--owner", required=True, help="who agreed that it is used; shown to operators alone")
    add.add_argument(
        "--consent-on",
        type=_parse_date,
        required=True,
        metavar="DATE",
        help="when the owner agreed, such as 2026-11-29",
    )
    add.add_argument("--consent-text", required=True, help="version of the text that the owner agreed to")
    add.set_defaults(action=_add)
    rotate = actions.add_parser("rotate", help="give a guest a new token; the former one is invalid within 5 s")
    rotate.set_defaults(action=_rotate)
    revoke = actions.add_parser("revoke", help="refuse what a guest sends from now on; what is stored stays")
    revoke.set_defaults(action=_revoke)
    for subparser in (rotate, revoke):
        subparser.add_argument("node", help="id of the guest")
    list_ = actions.add_parser("list", help="print every guest: format, device, owner, when it was last heard")
    list_.add_argument("--json", action="store_true", help="print the guests as a JSON list")
    list_.set_defaults(action=_list)


def run(args: argparse.Namespace) -> None:
    """Run the chosen action."""
    args.action(args)


def _add(args: argparse.Namespace) -> None:
    config = settings.read(args.config)
    notary = config.ingest.notary() if config.ingest is not None else None
    if notary is None:
        raise StartError("the notary's key is missing: make one with `piekwacht key` and set [ingest] notary_key_file")
    if args.mapping is not None:
        load_mapping(args.mapping)
    order = guests.GuestOrder(
        node=args.node,
        area=args.area,
        name=args.name,
        latitude=args.at[0],
        longitude=args.at[1],
        format=args.format,
        sender=args.sender,
        owner=args.owner,
        consent_on=args.consent_on,
        consent_text=args.consent_text,
        mapping=None if args.mapping is None else args.mapping.read_text(encoding="utf-8"),
        topic=args.topic,
        poll_url=args.poll,
    )
    with connect(config.database.dsn) as connection, connection.transaction():
        token = guests.add_guest(connection, local_actor(getpass.getuser()), order, notary.verifier)
    _print_token(args.node, token, config.api.public_url)


def _rotate(args: argparse.Namespace) -> None:
    config = settings.read(args.config)
    with connect(config.database.dsn) as connection, connection.transaction():
        token = guests.rotate_token(connection, local_actor(getpass.getuser()), args.node)
    _print_token(args.node, token, config.api.public_url)


def _print_token(node: str, token: str, public_url: str) -> None:
    print(f"{node} has this token, which is shown only now: {token}")
    print(f"it posts to {public_url.rstrip('/')}/api/v1/guests with the token as password, or to .../guests/<token>")


def _revoke(args: argparse.Namespace) -> None:
    with connect(settings.read(args.config).database.dsn) as connection, connection.transaction():
        guests.revoke_guest(connection, local_actor(getpass.getuser()), args.node)
    print(f"what {args.node} sends is refused; its readings stay")


def _list(args: argparse.Namespace) -> None:
    with connect(settings.read(args.config).database.dsn) as connection:
        rows = guests.list_guests(connection, local_actor(getpass.getuser()))
    if args.json:
        print(msgspec.json.encode(rows).decode())
        return
    print("\n".join(_describe(row) for row in rows) or "no guest is enrolled; `piekwacht guest add` enrols one")


def _describe(row: guests.GuestListing) -> str:
    if row.revoked_at is not None:
        state = f"revoked on {row.revoked_at:%Y-%m-%d}"
    else:
        state = "never heard" if row.last_seen is None else f"heard {format_seconds(row.last_seen)}"
    remarks = [f"{row.waiting} messages wait"] if row.waiting else []
    remarks += [f"{row.quarantined} messages refused, see `piekwacht quarantine list`"] if row.quarantined else []
    consent = f"{row.owner}, {row.consent_on} (text {row.consent_text})"
    parts = [f"{row.node:20} {row.area}", f"{row.format} {row.sender}", state, consent, "; ".join(remarks)]
    return escape_unprintable("  ".join(filter(None, parts)))


def _parse_place(text: str) -> tuple[float, float]:
    try:
        latitude, longitude = (float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text[:40]!r}: write it as LAT,LON, such as 52.494,4.594") from None
    return latitude, longitude


def _parse_date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text[:40]!r}: write it as 2026-11-29") from None
