"""Make the archive for a node's SD card and put the node into the registry.

Called by `piekwacht node enrol` and by the operator's page. The private keys exist in the archive alone: nothing here
writes or logs them.
"""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import psycopg
from msgspec import Struct
from psycopg.rows import scalar_row

from edge_agent import provisioning
from edge_agent.configuration import ConfigurationError
from edge_agent.identity import EnrolmentRequest, NodeKeys
from edge_agent.wire import NoteError, Verifier
from gateway.enrolment.authority import CertificateAuthority
from gateway.enrolment.bundle import collect_files, pack_archive
from gateway.errors import GatewayError, StartError
from gateway.model.registry import Node
from gateway.model.timestamps import format_instant
from gateway.operator.actor import Actor
from gateway.operator.audit import Act, record_act
from gateway.operator.database import take_revision
from gateway.store import stations
from gateway.store.connection import QUERIES


class CardSources(Struct, frozen=True, kw_only=True):
    """Sources of a card: the authority, the firmware configurations, the gateway's key, the agent's package."""

    ca: Path
    firmware_configs: Path
    gateway_key: Verifier
    package: Path | None = None


class NewCard(Struct, frozen=True, kw_only=True):
    """A node and the archive for its card."""

    node: Node
    archive: bytes

    def __repr__(self) -> str:
        return f"NewCard(node={self.node.id!r})"


class CardOrder(Struct, frozen=True, kw_only=True):
    """A card to make.

    plan     hardware, kit and station; None: the file of the node in the firmware configurations has them
    request  the request of a node that created its keys itself; None: keys are created here
    replace  whether a node that is enrolled already gets new keys; the old ones become invalid
    since    when a new node began to measure at the station; None: now
    """

    site: str
    node: str
    plan: provisioning.NodePlan | None = None
    request: EnrolmentRequest | None = None
    replace: bool = False
    since: dt.datetime | None = None


def enrol_node(connection: psycopg.Connection, actor: Actor, sources: CardSources, order: CardOrder) -> NewCard:
    """Enrol a node in the caller's transaction, with an entry in the audit log, and return its card.

    The certificate is issued last of what can fail. Raises ConfigurationError or GatewayError with one sentence.
    """
    folder = sources.firmware_configs
    site = provisioning.load_site(folder, order.site)
    actor.require_area(site.area)
    plan = order.plan or provisioning.load_plan(folder, order.site, order.node)[1]
    _check_placeholders(site, folder / "sites" / order.site / "site.toml")
    _check_registry(connection, order, site.area, plan.station)
    rendered = provisioning.render_plan(folder, order.site, order.node, plan)
    former = connection.execute(QUERIES["select_node_key"], {"id": order.node}).fetchone()
    verifier, secrets = _make_secrets(sources, order, site.gateway_key_file)
    node = Node(id=order.node, area=site.area, station=plan.station, key=verifier)
    stations.put_node(connection, node, since=order.since)
    take_revision(connection, node.id, None)
    record_act(connection, actor, _describe_act(node, plan, former, order.since))
    files = collect_files(node.id, rendered, secrets, sources.package)
    return NewCard(node=node, archive=pack_archive(files))


def _make_secrets(sources: CardSources, order: CardOrder, gateway_key_file: str) -> tuple[Verifier, dict[str, bytes]]:
    """Return the node's verifier key, and its files with keys and certificates."""
    authority = CertificateAuthority.load(sources.ca)
    keys = None if order.request else NodeKeys.generate(order.node)
    request = order.request if keys is None else EnrolmentRequest.parse(keys.build_request())
    assert request is not None  # noqa: S101 - one of both exists
    return request.verifier, {
        "ca.pem": authority.pem,
        "node.pem": authority.issue(order.node, request.tls_key, dt.datetime.now(dt.UTC)),
        gateway_key_file: f"{sources.gateway_key}\n".encode(),
        **(keys.files() if keys else {}),
    }


def _describe_act(
    node: Node, plan: provisioning.NodePlan, former: Sequence[str] | None, since: dt.datetime | None
) -> Act:
    before = None if former is None else {"area": former[0], "key": former[1]}
    after = {"area": node.area, "key": str(node.key), "station": node.station, "board": plan.board, "kit": plan.kit}
    if since is not None:
        after["since"] = format_instant(since)
    return Act(action="enrol", object=f"node {node.id}", area=node.area, before=before, after=after)


def read_request(path: Path, node: str) -> EnrolmentRequest:
    """Read the request of a node that created its keys itself. Raises ConfigurationError."""
    try:
        request = EnrolmentRequest.parse(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read ({error.strerror})") from None
    except NoteError as error:
        raise ConfigurationError(f"{path} is no enrolment request: {error}") from None
    if request.node != node:
        raise ConfigurationError(f"{path} is the request of {request.node}, not of {node}")
    return request


def _check_placeholders(site: provisioning.SiteSettings, file: Path) -> None:
    unfilled = [name for name in (site.broker_host, *site.time_servers) if name.endswith(".example")]
    if unfilled:
        raise StartError(f"{file}: replace the placeholders {' and '.join(unfilled)} by your broker and time server")


def _check_registry(connection: psycopg.Connection, order: CardOrder, planned_area: str, station: str) -> None:
    scalars = connection.cursor(row_factory=scalar_row)
    area = scalars.execute(QUERIES["select_area_of_station"], {"id": station}).fetchone()
    if area != planned_area:
        actual_place = "no such station" if area is None else f"that station in {area}"
        raise GatewayError(
            f"{order.node} is planned at {station} in {planned_area}, and the registry has {actual_place}; "
            "run `piekwacht site apply` first"
        )
    is_revoked = scalars.execute(QUERIES["select_node_revoked"], {"id": order.node}).fetchone()
    if is_revoked is False and not order.replace:  # None: the registry does not have the node
        raise GatewayError(
            f"{order.node} is enrolled already; `piekwacht node renew` gives it a new certificate, "
            "--replace creates a new card for it"
        )
    if order.since is None:
        return
    if is_revoked is not None:
        raise GatewayError(
            f"{order.node} is in the registry already, and its time at a station stays as it is; leave out --since"
        )
    if order.since > dt.datetime.now(dt.UTC):
        raise GatewayError(f"{order.node} cannot have measured since {format_instant(order.since)}, in the future")
