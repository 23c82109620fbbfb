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
from edge_agent.identity import Identity, Request
from edge_agent.wire import NoteError
from gateway import settings
from gateway.enrolment.authority import Authority
from gateway.enrolment.bundle import contents, pack
from gateway.enrolment.ca_command import add_folder, write_new
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


def add_arguments(parser: argparse.ArgumentParser, add_config: Callable[[argparse.ArgumentParser], None]) -> None:
    """The arguments of the command; `add_config` adds --config in the manner of the others."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    def action(name: str, run: Callable[..., None], help_: str) -> argparse.ArgumentParser:
        one = actions.add_parser(name, help=help_)
        add_config(one)
        one.set_defaults(run=run)
        return one

    enrol = action(
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
    renew = action("renew", _renew, "a new certificate for the same TLS key, sent to the node by itself")
    renew.add_argument("node")
    renew.add_argument("--request", type=Path, metavar="FILE", help="the node made new keys: its request")
    for one in (enrol, renew):
        one.add_argument("--out", type=Path, metavar="FILE", help="the archive, or the certificate")
        add_folder(one)
    revoke = action("revoke", _revoke, "nothing more of this node is believed, from now on")
    revoke.add_argument("node")
    add_folder(revoke)
    configure = action("configure", _configure, "send sensors and batching to a node, which tries and may refuse them")
    configure.add_argument("node")
    configure.add_argument("file", type=Path, metavar="FILE.toml", help="[batch] and [[sensor]] as in agent.toml")
    action("list", _list, "every node: where it stands, when it was heard, what it says of itself")


def _enrol(given: argparse.Namespace) -> None:
    read, folder = settings.read(given.config), given.firmware_configs
    if read.ingest is None:
        raise StartError("the gateway's key is needed: [ingest] key_file in its configuration")
    site, plan = provisioning.planned(folder, given.site, given.node)
    _check_names(site, folder / "sites" / given.site / "site.toml")
    rendered = provisioning.render(folder, given.site, given.node)
    authority = Authority.open(given.ca)
    identity = None if given.request else Identity.generate(given.node)
    request = Request.read(identity.request()) if identity else _request(given.request, given.node)
    secrets = {
        "ca.pem": authority.pem,
        "node.pem": authority.issue(given.node, request.tls, datetime.now(UTC)),
        site.gateway_key_file: f"{read.ingest.signer().verifier}\n".encode(),
        **(identity.files() if identity else {}),
    }
    packed = pack(contents(given.node, rendered, secrets, given.package))
    node = Node(id=given.node, area=site.area, station=plan.station, key=request.verifier)
    with connect(read.database.dsn) as connection, connection.transaction():
        _check_place(connection, node, again=given.again)
        out = given.out or Path(f"{given.node}.tar")
        stations.put_node(connection, node)
        write_new(out, packed)
    print(
        f"{given.node} is enrolled at {plan.station}. Unpack {out} onto the boot partition of its card, then delete it."
    )


def _check_names(site: provisioning.Site, file: Path) -> None:
    unfilled = [name for name in (site.broker_host, *site.time_servers) if name.endswith(".example")]
    if unfilled:
        raise StartError(f"{file}: put your own broker and time server in the place of {' and '.join(unfilled)}")


def _renew(given: argparse.Namespace) -> None:
    authority, dsn = Authority.open(given.ca), settings.read(given.config).database.dsn
    if given.request:
        key = _request(given.request, given.node).tls
    else:
        before = authority.issued(given.node)
        if not before:
            raise GatewayError(
                f"the authority in {given.ca} never issued a certificate for {given.node}; enrol it first"
            )
        key = before[-1].public_key()  # type: ignore[assignment]  # every leaf of ours is P-256
    pem = authority.issue(given.node, key, datetime.now(UTC))
    if given.out:
        write_new(given.out, pem, mode=0o644)
    with connect(dsn) as connection:
        _known(connection, given.node)
        if given.request:
            print(f"{given.node} has new keys: copy {given.out or 'the certificate (--out)'} to it beside them")
            return
        version = stations.desire(connection, given.node, by=getpass.getuser(), certificate=pem.decode())
    print(
        f"the new certificate of {given.node} goes to it as version {version}; it is tried there, and kept if it works"
    )


def _revoke(given: argparse.Namespace) -> None:
    authority, dsn = Authority.open(given.ca), settings.read(given.config).database.dsn
    with connect(dsn) as connection:
        _known(connection, given.node)
        stations.revoke_node(connection, given.node)
    listed = authority.revoke(given.node, datetime.now(UTC))
    print(f"the gateway believes nothing more of {given.node}. {listed} certificates are on {given.ca}/crl.pem:")
    print("copy that to the broker and have it read it (`systemctl reload mosquitto`), so that it refuses it too")


def _configure(given: argparse.Namespace) -> None:
    try:
        toml = given.file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{given.file} cannot be read: {error}") from None
    provisioning.check_overlay(toml, str(given.file))
    with connect(settings.read(given.config).database.dsn) as connection:
        _known(connection, given.node)
        version = stations.desire(connection, given.node, by=getpass.getuser(), toml=toml)
    print(f"version {version} goes to {given.node}, which tries it for ten minutes; see `piekwacht node list`")


def _list(given: argparse.Namespace) -> None:
    with connect(settings.read(given.config).database.dsn) as connection:
        for row in connection.cursor(row_factory=class_row(NodeRow)).execute(QUERIES["list_nodes"]):
            print(_line(row))


def _line(row: NodeRow) -> str:
    """One node in words, as a person asks: whether it is there, and what is wrong with it."""
    if row.revoked_at is not None:
        state = f"revoked on {row.revoked_at:%Y-%m-%d}"
    elif row.last_seen is None:
        state = "never heard"
    else:
        state = f"{'online' if row.online else 'offline'}, heard {row.last_seen:%Y-%m-%d %H:%M:%S}Z"
    remarks = [
        f"{name}: {said}" for name, said in (row.health or {}).get("sensors", {}).items() if said not in {"ok", "done"}
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


def _request(path: Path, node: str) -> Request:
    try:
        request = Request.read(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read ({error.strerror})") from None
    except NoteError as error:
        raise ConfigurationError(f"{path} is no request to enrol by: {error}") from None
    if request.node != node:
        raise ConfigurationError(f"{path} is the request of {request.node}, not of {node}")
    return request


def _check_place(connection: psycopg.Connection, node: Node, *, again: bool) -> None:
    """GatewayError where the registry has no such station in the area, or has the node already."""
    area = connection.execute(QUERIES["area_of_station"], {"id": node.station}).fetchone()
    if area is None or area[0] != node.area:
        where = "no such station" if area is None else f"that station in {area[0]}"
        raise GatewayError(
            f"{node.id} is planned at {node.station} in {node.area}, and the registry has {where}; "
            "run `piekwacht site apply` first"
        )
    known = connection.execute(QUERIES["known_node"], {"id": node.id}).fetchone()
    if known is not None and not known[0] and not again:
        raise GatewayError(
            f"{node.id} is enrolled already; `piekwacht node renew` gives it a new certificate, "
            "--again makes a new card for it"
        )


def _known(connection: psycopg.Connection, node: str) -> None:
    if connection.execute(QUERIES["known_node"], {"id": node}).fetchone() is None:
        raise GatewayError(f"no node {node} is enrolled; `piekwacht node list` shows those that are")
