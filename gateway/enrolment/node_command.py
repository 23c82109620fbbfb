"""`piekwacht node`: enrol, renew, revoke, configure and list nodes."""

import argparse
import getpass
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from psycopg.rows import class_row

from alerting.log import escape_unprintable
from alerting.vocabulary import count_things
from edge_agent import provisioning
from edge_agent.command_line import parse_time
from edge_agent.configuration import ConfigurationError
from gateway import settings
from gateway.enrolment import node_work_command
from gateway.enrolment.authority import CertificateAuthority
from gateway.enrolment.ca_command import add_ca_argument, write_new_file
from gateway.enrolment.card import CardOrder, CardSources, enrol_node, read_request
from gateway.enrolment.node_issuer import FolderIssuer
from gateway.errors import StartError
from gateway.model.clock_doubt import describe_clock_error
from gateway.operator import node_label, node_registration
from gateway.operator.actor import local_actor
from gateway.operator.audit import Act, record_act
from gateway.operator.fleet import require_node
from gateway.operator.node_report import describe_report
from gateway.store.connection import QUERIES, connect


class NodeListing(Struct, frozen=True, kw_only=True):
    """One node of the registry with its newest status and health; times UTC.

    undated_since    since when the stamps of its live batches are not believed; None: they are
    clock_error_ms   its stamps minus the gateway's clock
    undated_batches  batches that were never dated
    """

    node: str
    area: str
    station: str | None
    revoked_at: datetime | None
    last_seen: datetime | None
    online: bool | None
    status: dict[str, Any] | None
    health: dict[str, Any] | None
    undated_since: datetime | None
    clock_error_ms: int | None
    undated_batches: int
    copied_at: datetime | None = None  # when two cards of it last sent at once, if that was within a day


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --config and the actions."""
    settings.add_config_argument(parser)
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    def add_action(name: str, action: Callable[..., None], help_: str) -> argparse.ArgumentParser:
        subparser = actions.add_parser(name, help=help_)
        subparser.set_defaults(action=action)
        return subparser

    enrol = add_action(
        "enrol", _enrol, "create keys, certificate and an archive for the SD card, and put the node into the registry"
    )
    enrol.add_argument("site", help="folder under sites/ of the firmware configurations")
    enrol.add_argument("node", help="id of the node, such as ijm-001")
    enrol.add_argument("--request", type=Path, metavar="FILE", help="request of a node that created its keys itself")
    enrol.add_argument(
        "--firmware-configs",
        type=Path,
        default=Path("firmware_configs"),
        metavar="DIR",
        help="folder of the firmware configurations (firmware_configs)",
    )
    enrol.add_argument(
        "--replace", action="store_true", help="replace the keys of an enrolled node; the old keys become invalid"
    )
    enrol.add_argument(
        "--since",
        type=parse_time,
        metavar="TIME",
        help="when a new node began to measure at the station, RFC 3339 (now); readings from before are not proven",
    )
    enrol.add_argument("--package", type=Path, metavar="FILE.deb", help="the agent's package, added to the archive")
    renew = add_action(
        "renew", _renew, "create a new certificate for the same TLS key; the gateway sends it to the node"
    )
    renew.add_argument("node", help="id of the node")
    renew.add_argument("--request", type=Path, metavar="FILE", help="request of a node that created new keys")
    for subparser in (enrol, renew):
        subparser.add_argument("--out", type=Path, metavar="FILE", help="the archive, or the certificate")
        add_ca_argument(subparser)
    revoke = add_action("revoke", _revoke, "revoke a node: its batches are rejected from now on")
    revoke.add_argument("node", help="id of the node")
    add_ca_argument(revoke)
    configure = add_action(
        "configure", _configure, "send sensors and batching to a node, which tries them and may reject them"
    )
    configure.add_argument("node", help="id of the node")
    configure.add_argument("file", type=Path, metavar="FILE.toml", help="[batch] and [[sensor]] as in agent.toml")
    label = add_action("label", _print_label, "print the facts of a node and their QR code, to stick on its enclosure")
    label.add_argument("node", help="id of the node")
    node_work_command.add_actions(add_action)
    list_ = add_action("list", _list, "print every node: its station, when it was last heard, its status")
    list_.add_argument("--json", action="store_true", help="print the nodes as a JSON list")


def run(args: argparse.Namespace) -> None:
    """Run the chosen action."""
    args.action(args)


def _enrol(args: argparse.Namespace) -> None:
    config = settings.read(args.config)
    if config.ingest is None:
        raise StartError("the gateway's key is missing: set [ingest] key_file")
    sources = CardSources(
        ca=args.ca,
        firmware_configs=args.firmware_configs,
        gateway_key=config.ingest.signer().verifier,
        package=args.package,
    )
    order = CardOrder(
        site=args.site,
        node=args.node,
        request=read_request(args.request, args.node) if args.request else None,
        replace=args.replace,
        since=args.since,
    )
    with connect(config.database.dsn) as connection, connection.transaction():
        out = args.out or Path(f"{args.node}.zip")
        card = enrol_node(connection, local_actor(getpass.getuser()), sources, order)
        write_new_file(out, card.archive)
    print(
        f"{args.node} is enrolled at {card.node.station}. "
        f"Unpack {out} onto the boot partition of its card, then delete it."
    )


def _renew(args: argparse.Namespace) -> None:
    dsn = settings.read(args.config).database.dsn
    if args.request:
        _certify_new_keys(args, dsn)
        return
    with connect(dsn) as connection, connection.transaction():
        actor = local_actor(getpass.getuser())
        renewal = node_registration.renew_certificate(connection, actor, args.node, FolderIssuer(args.ca))
        if args.out:
            write_new_file(args.out, renewal.certificate, mode=0o644)
    print(f"the gateway sends the new certificate to {args.node} as version {renewal.version}; the node tries it first")


def _certify_new_keys(args: argparse.Namespace, dsn: str) -> None:
    """Issue a certificate for keys that a node created itself; somebody copies it to the node."""
    authority, key = CertificateAuthority.load(args.ca), read_request(args.request, args.node).tls_key
    actor = local_actor(getpass.getuser())
    with connect(dsn) as connection, connection.transaction():
        area = require_node(connection, actor, args.node)
        pem = authority.issue(args.node, key, datetime.now(UTC))
        if args.out:
            write_new_file(args.out, pem, mode=0o644)
        after = {"certificate": FolderIssuer(args.ca).describe(pem), "keys": "new"}
        record_act(connection, actor, Act(action="renew", object=f"node {args.node}", area=area, after=after))
    print(f"{args.node} has new keys: copy {args.out or 'the certificate (--out)'} to it, into the same folder")


def _revoke(args: argparse.Namespace) -> None:
    dsn = settings.read(args.config).database.dsn
    with connect(dsn) as connection, connection.transaction():
        actor = local_actor(getpass.getuser())
        revocation = node_registration.revoke_node(connection, actor, args.node, FolderIssuer(args.ca))
    count = count_things(revocation.certificates or 0, "certificate")
    print(f"the gateway rejects batches of {args.node}. {count} came onto the list {args.ca}/crl.pem:")
    print("copy crl.pem to the broker and reload it (`systemctl reload mosquitto`), so that it rejects the node too")


def _configure(args: argparse.Namespace) -> None:
    try:
        toml = args.file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{args.file} cannot be read: {error}") from None
    provisioning.check_overlay(toml, str(args.file))
    with connect(settings.read(args.config).database.dsn) as connection, connection.transaction():
        version = node_registration.configure_node(connection, local_actor(getpass.getuser()), args.node, toml)
    print(
        f"the gateway sends version {version} to {args.node}, which tries it for ten minutes; see `piekwacht node list`"
    )


def _print_label(args: argparse.Namespace) -> None:
    config = settings.read(args.config)
    with connect(config.database.dsn) as connection:
        label = node_label.load_label(connection, local_actor(getpass.getuser()), args.node)
    text = label.describe(config.api.public_url)
    print(f"{text}\n\n{node_label.print_label(text)}")


def _list(args: argparse.Namespace) -> None:
    dsn = settings.read(args.config).database.dsn
    if args.json:
        print(msgspec.json.encode(_load_nodes(dsn)).decode())
        return
    lines = format_nodes(dsn)
    print("\n".join(lines) or "no node is enrolled; `piekwacht node enrol` enrols one")


def format_nodes(dsn: str) -> list[str]:
    """Return one line per node of the registry, by id."""
    return [_format_node(row) for row in _load_nodes(dsn)]


def _load_nodes(dsn: str) -> list[NodeListing]:
    with connect(dsn) as connection:
        return connection.cursor(row_factory=class_row(NodeListing)).execute(QUERIES["list_nodes"]).fetchall()


def _format_node(row: NodeListing) -> str:
    """Format one node as a line: its state, and its problems."""
    if row.revoked_at is not None:
        state = f"revoked on {row.revoked_at:%Y-%m-%d}"
    elif row.last_seen is None:
        state = "never heard"
    else:
        state = f"{'online' if row.online else 'offline'}, heard {row.last_seen:%Y-%m-%d %H:%M:%S}Z"
    remarks = [f"TWO CARDS SEND AT ONCE, last at {row.copied_at:%Y-%m-%d %H:%M:%S}Z"] if row.copied_at else []
    remarks += describe_report(row.status, row.health)
    remarks += _describe_clock(row)
    line = "  ".join([f"{row.node:20} {row.area}/{row.station}", state, "; ".join(remarks)]).rstrip()
    return escape_unprintable(line)


def _describe_clock(row: NodeListing) -> list[str]:
    """Return the time since which the clock of the node is wrong, and the number of its batches without a date."""
    remarks = []
    if row.undated_since is not None and row.clock_error_ms is not None:
        remarks.append(f"{describe_clock_error(row.clock_error_ms)} since {row.undated_since:%Y-%m-%d %H:%M:%S}Z")
    if row.undated_batches:
        remarks.append(f"{row.undated_batches} batches without a date")
    return remarks
