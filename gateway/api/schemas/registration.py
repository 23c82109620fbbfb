"""Types of the operator API: renewal, configuration and revocation of a node."""

from typing import Annotated

from msgspec import Meta

from gateway.api.schemas.operator import Revision
from gateway.api.schemas.schema import Schema


class NodeChange(Schema, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A change of a node that needs no further facts."""

    revision: Revision = None


class RenewedCertificate(Schema, frozen=True, kw_only=True):
    """A new certificate as PEM, and the version of the configuration that carries it to the node."""

    certificate: Annotated[str, Meta(examples=["-----BEGIN CERTIFICATE-----"])]
    version: Annotated[int, Meta(examples=[2])]


class NewConfiguration(Schema, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sensors and batching for a node, as in agent.toml."""

    toml: Annotated[str, Meta(min_length=1, max_length=60_000, examples=["[batch]\ninterval_seconds = 10"])]
    revision: Revision = None


class SentConfiguration(Schema, frozen=True, kw_only=True):
    """The version under which the gateway sends a configuration."""

    version: Annotated[int, Meta(examples=[3])]


class NodeRevocation(Schema, frozen=True, kw_only=True):
    """`certificates`: how many came onto the revocation list; null: `piekwacht node revoke` must put them on it."""

    certificates: Annotated[int, Meta(examples=[2])] | None


SCHEMA_TYPES = (NodeChange, RenewedCertificate, NewConfiguration, SentConfiguration, NodeRevocation)
