"""Certificate, configuration and end of a node: renew, configure, revoke.

Each act counts as one change of the node and writes its entry in the audit log, in the caller's transaction. Pages, API
and `piekwacht node` call the same functions. The authority is a Protocol of `tools`, because its key may be on another
machine.
"""

from datetime import datetime

import psycopg
from msgspec import Struct
from psycopg.rows import class_row, scalar_row

from gateway.operator.actor import Actor
from gateway.operator.audit import Act, record_act
from gateway.operator.database import QUERIES, take_revision
from gateway.operator.errors import OperatorError, RefusalKind
from gateway.operator.fleet import require_node
from gateway.operator.tools import CertificateIssuer
from gateway.store import stations

_MAX_CONFIGURATION = 60_000  # characters: an MQTT message carries it to the node


class DesiredConfiguration(Struct, frozen=True, kw_only=True):
    """The newest configuration that a node is sent. `toml`: empty: sensors and batching are those of the card."""

    version: int
    toml: str
    desired_by: str
    desired_at: datetime


class CertificateRenewal(Struct, frozen=True, kw_only=True):
    """A new certificate, and the version of the configuration that carries it to the node."""

    certificate: bytes
    version: int


class Revocation(Struct, frozen=True, kw_only=True):
    """`certificates`: how many were added to the revocation list; None: the list is on another machine."""

    certificates: int | None


def load_configuration(connection: psycopg.Connection, actor: Actor, node: str) -> DesiredConfiguration | None:
    """Return the newest configuration of a node, or None. Raises OperatorError."""
    require_node(connection, actor, node)
    cursor = connection.cursor(row_factory=class_row(DesiredConfiguration))
    return cursor.execute(QUERIES["select_desired"], {"node": node}).fetchone()


def renew_certificate(
    connection: psycopg.Connection,
    actor: Actor,
    node: str,
    issuer: CertificateIssuer | None,
    revision: int | None = None,
) -> CertificateRenewal:
    """Issue a certificate for the node's TLS key, and have the gateway send it. Raises OperatorError or GatewayError.

    The certificate is issued last of what can be refused.
    """
    area = _require_active(connection, actor, node)
    if issuer is None:
        raise OperatorError(RefusalKind.UNAVAILABLE, "no_issuer")
    take_revision(connection, node, revision)
    pem = issuer.renew(node)
    version = stations.set_desired_config(connection, node, author=actor.name, certificate=pem.decode())
    after = {"certificate": issuer.describe(pem), "version": version}
    record_act(connection, actor, Act(action="renew", object=f"node {node}", area=area, after=after))
    return CertificateRenewal(certificate=pem, version=version)


def configure_node(
    connection: psycopg.Connection, actor: Actor, node: str, toml: str, revision: int | None = None
) -> int:
    """Store sensors and batching that were checked, and have the gateway send them; return the version.

    Raises OperatorError.
    """
    area = _require_active(connection, actor, node)
    check_length(toml)
    former = load_configuration(connection, actor, node)
    take_revision(connection, node, revision)
    version = stations.set_desired_config(connection, node, author=actor.name, toml=toml)
    before = None if former is None else {"version": former.version, "configuration": former.toml}
    after = {"version": version, "configuration": toml}
    act = Act(action="configure", object=f"node {node}", area=area, before=before, after=after)
    record_act(connection, actor, act)
    return version


def revoke_node(
    connection: psycopg.Connection,
    actor: Actor,
    node: str,
    issuer: CertificateIssuer | None,
    revision: int | None = None,
) -> Revocation:
    """Let the gateway reject the node's batches, and put its certificates on the revocation list if that is here.

    Raises OperatorError or GatewayError; then the node is not revoked.
    """
    area = _require_active(connection, actor, node)
    take_revision(connection, node, revision)
    stations.revoke_node(connection, node)
    certificates = None if issuer is None else issuer.revoke(node)
    after = {"revoked": True, "certificates": certificates}
    record_act(connection, actor, Act(action="revoke", object=f"node {node}", area=area, after=after))
    return Revocation(certificates=certificates)


def check_length(toml: str) -> None:
    """Raise OperatorError if there is no configuration, or it is too long for a message."""
    if not toml.strip() or len(toml) > _MAX_CONFIGURATION:
        raise OperatorError(RefusalKind.INVALID, "configuration_length", most=_MAX_CONFIGURATION)


def _require_active(connection: psycopg.Connection, actor: Actor, node: str) -> str:
    """Return the area of a node that is not revoked. Raises OperatorError."""
    area = require_node(connection, actor, node)
    cursor = connection.cursor(row_factory=scalar_row)
    if cursor.execute(QUERIES["select_revoked"], {"node": node}).fetchone() is not None:
        raise OperatorError(RefusalKind.CONFLICT, "revoked_already", node=node)
    return area
