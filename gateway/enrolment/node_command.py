"""`piekwacht node`: from the making of its card to the day it is no longer believed."""

import argparse
import getpass
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from msgspec import Struct
from psycopg.rows import class_row

from edge_agent import provisioning
from edge_agent.configuration import ConfigurationError
from edge_agent.identity import EnrolmentRequest, NodeKeys
from edge_agent.wire import NoteError
from gateway import settings
from gateway.enrolment.authority import CertificateAuthority
from gateway.enrolment.bundle import collect_files, pack_archive
from gateway.enrolment.ca_command import add_ca_argument, write_new_file
from gateway.errors import GatewayError, StartError
from gateway.model.registry import Node
from gateway.store import stations
from gateway.store.connection import QUERIES
from gateway.store.migrate import connect


class NodeRow(Struct, frozen=True, kw_only=True):
    """One node of the registry with what it last said of itself; times UTC."""

    node: str
    area: str
    station: str | None
    revoked_at: datetime | None
    last_seen: datetime | None
    online: bool | None
    status: dict[str, Any] | None
    health: dict[str, Any] | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions, each with --config."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    def add_action(name: str, action: Callable[..., None], help_: str) -> argparse.ArgumentParser:
        subparser = actions.add_parser(name, help=help_)
        settings.add_config_argument(subparser)
        subparser.set_defaults(action=action)
        return subparser

    enrol = add_action(
        "enrol", _enrol, "keys, certificate and one archive for the SD card; the node is in the registry then"
    )
    enrol.add_argument("site", help="folder under sites/ of the firmware configurations")
    enrol.add_argument("node")
    enrol.add_argument("--request", type=Path, metavar="FILE", help="the keys were made on the node: its request")
    enrol.add_argument("--firmware-configs", type=Path, default=Path("firmware_configs"), metavar="DIR")
    enrol.add_argument(
        "--again", action="store_true", help="it is enrolled already: new keys, the old ones are worth nothing then"
    )
    enrol.add_argument("--package", type=Path, metavar="FILE.deb", help="the agent's package, put into the archive")
    renew = add_action("renew", _renew, "a new certificate for the same TLS key, sent to the node by itself")
    renew.add_argument("node")
    renew.add_argument("--request", type=Path, metavar="FILE", help="the node made new keys: its request")
    for subparser in (enrol, renew):
        subparser.add_argument("--out", type=Path, metavar="FILE", help="the archive, or the certificate")
        add_ca_argument(subparser)
    revoke = add_action("revoke", _revoke, "nothing more of this node is believed, from now on")
    revoke.add_argument("node")
    add_ca_argument(revoke)
    configure = add_action(
        "configure", _configure, "send sensors and batching to a node, which tries and may refuse them"
    )
    configure.add_argument("node")
    configure.add_argument("file", type=Path, metavar="FILE.toml", help="[batch] and [[sensor]] as in agent.toml")
    add_action("list", _list, "every node: where it stands, when it was heard, what it says of itself")


def run(args: argparse.Namespace) -> None:
    """Run the chosen action."""
    args.action(args)


def _enrol(args: argparse.Namespace) -> None:
    config, folder = settings.read(args.config), args.firmware_configs
    if config.ingest is None:
        raise StartError("the gateway's key is needed: [ingest] key_file in its configuration")
    site, plan = provisioning.load_plan(folder, args.site, args.node)
    _check_placeholders(site, folder / "sites" / args.site / "site.toml")
    rendered = provisioning.render_node(folder, args.site, args.node)
    authority = CertificateAuthority.load(args.ca)
    identity = None if args.request else NodeKeys.generate(args.node)
    request = EnrolmentRequest.parse(identity.build_request()) if identity else _read_request(args.request, args.node)
    secrets = {
        "ca.pem": authority.pem,
        "node.pem": authority.issue(args.node, request.tls_key, datetime.now(UTC)),
        site.gateway_key_file: f"{config.ingest.signer().verifier}\n".encode(),
        **(identity.files() if identity else {}),
    }
    archive = pack_archive(collect_files(args.node, rendered, secrets, args.package))
    node = Node(id=args.node, area=site.area, station=plan.station, key=request.verifier)
    with connect(config.database.dsn) as connection, connection.transaction():
        _check_registry(connection, node, again=args.again)
        out = args.out or Path(f"{args.node}.tar")
        stations.put_node(connection, node)
        write_new_file(out, archive)
    print(
        f"{args.node} is enrolled at {plan.station}. Unpack {out} onto the boot partition of its card, then delete it."
    )


def _check_placeholders(site: provisioning.SiteSettings, file: Path) -> None:
    unfilled = [name for name in (site.broker_host, *site.time_servers) if name.endswith(".example")]
    if unfilled:
        raise StartError(f"{file}: put your own broker and time server in the place of {' and '.join(unfilled)}")


def _renew(args: argparse.Namespace) -> None:
    authority, dsn = CertificateAuthority.load(args.ca), settings.read(args.config).database.dsn
    if args.request:
        key = _read_request(args.request, args.node).tls_key
    else:
        certificates = authority.find_certificates(args.node)
        if not certificates:
            raise GatewayError(f"the authority in {args.ca} never issued a certificate for {args.node}; enrol it first")
        key = certificates[-1].public_key()  # type: ignore[assignment]  # every leaf of ours is P-256
    pem = authority.issue(args.node, key, datetime.now(UTC))
    if args.out:
        write_new_file(args.out, pem, mode=0o644)
    with connect(dsn) as connection:
        _check_enrolled(connection, args.node)
        if args.request:
            print(f"{args.node} has new keys: copy {args.out or 'the certificate (--out)'} to it beside them")
            return
        version = stations.set_desired_config(connection, args.node, author=getpass.getuser(), certificate=pem.decode())
    print(
        f"the new certificate of {args.node} goes to it as version {version}; it is tried there, and kept if it works"
    )


def _revoke(args: argparse.Namespace) -> None:
    authority, dsn = CertificateAuthority.load(args.ca), settings.read(args.config).database.dsn
    with connect(dsn) as connection:
        _check_enrolled(connection, args.node)
        stations.revoke_node(connection, args.node)
    revoked_count = authority.revoke(args.node, datetime.now(UTC))
    print(f"the gateway believes nothing more of {args.node}. {revoked_count} certificates are on {args.ca}/crl.pem:")
    print("copy that to the broker and have it read it (`systemctl reload mosquitto`), so that it refuses it too")


def _configure(args: argparse.Namespace) -> None:
    try:
        toml = args.file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{args.file} cannot be read: {error}") from None
    provisioning.check_overlay(toml, str(args.file))
    with connect(settings.read(args.config).database.dsn) as connection:
        _check_enrolled(connection, args.node)
        version = stations.set_desired_config(connection, args.node, author=getpass.getuser(), toml=toml)
    print(f"version {version} goes to {args.node}, which tries it for ten minutes; see `piekwacht node list`")


def _list(args: argparse.Namespace) -> None:
    with connect(settings.read(args.config).database.dsn) as connection:
        for row in connection.cursor(row_factory=class_row(NodeRow)).execute(QUERIES["list_nodes"]):
            print(_format_node(row))


def _format_node(row: NodeRow) -> str:
    """One node in words, as a person asks: whether it is there, and what is wrong with it."""
    if row.revoked_at is not None:
        state = f"revoked on {row.revoked_at:%Y-%m-%d}"
    elif row.last_seen is None:
        state = "never heard"
    else:
        state = f"{'online' if row.online else 'offline'}, heard {row.last_seen:%Y-%m-%d %H:%M:%S}Z"
    remarks = [
        f"{name}: {sensor_state}"
        for name, sensor_state in (row.health or {}).get("sensors", {}).items()
        if sensor_state not in {"ok", "done"}
    ]
    remote = (row.status or {}).get("remote") or {}
    if remote.get("version"):
        remarks.append(f"configuration {remote['version']} in force")
    if remote.get("on_trial"):
        remarks.append(f"configuration {remote['on_trial']} on trial")
    if remote.get("refused"):
        remarks.append(f"configuration {remote['refused']} refused: {remote.get('error')}")
    until = (row.health or {}).get("certificate_until")
    if until:
        remarks.append(f"certificate until {until[:10]}")
    return "  ".join([f"{row.node:20} {row.area}/{row.station}", state, "; ".join(remarks)]).rstrip()


def _read_request(path: Path, node: str) -> EnrolmentRequest:
    try:
        request = EnrolmentRequest.parse(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read ({error.strerror})") from None
    except NoteError as error:
        raise ConfigurationError(f"{path} is no request to enrol by: {error}") from None
    if request.node != node:
        raise ConfigurationError(f"{path} is the request of {request.node}, not of {node}")
    return request


def _check_registry(connection: psycopg.Connection, node: Node, *, again: bool) -> None:
    """GatewayError where the registry has no such station in the area, or has the node already."""
    area_row = connection.execute(QUERIES["select_area_of_station"], {"id": node.station}).fetchone()
    if area_row is None or area_row[0] != node.area:
        actual_place = "no such station" if area_row is None else f"that station in {area_row[0]}"
        raise GatewayError(
            f"{node.id} is planned at {node.station} in {node.area}, and the registry has {actual_place}; "
            "run `piekwacht site apply` first"
        )
    enrolled = connection.execute(QUERIES["select_node_revoked"], {"id": node.id}).fetchone()
    if enrolled is not None and not enrolled[0] and not again:
        raise GatewayError(
            f"{node.id} is enrolled already; `piekwacht node renew` gives it a new certificate, "
            "--again makes a new card for it"
        )


def _check_enrolled(connection: psycopg.Connection, node: str) -> None:
    if connection.execute(QUERIES["select_node_revoked"], {"id": node}).fetchone() is None:
        raise GatewayError(f"no node {node} is enrolled; `piekwacht node list` shows those that are")
