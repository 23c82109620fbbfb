"""Means of an installation for operators besides reading and writing its database.

The command that starts the API builds it (gateway/cli/operator_tools.py), because the doctor and enrolment know the
whole configuration, which the API does not.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import psycopg
from msgspec import Struct

from gateway.operator.actor import Actor
from gateway.operator.settings import OperatorSettings


class CheckResult(Struct, frozen=True, kw_only=True):
    """One finding of `piekwacht doctor`. `level`: ok, note, warning or fault."""

    check: str
    level: str
    message: str
    remedy: str


class CardPlan(Struct, frozen=True, kw_only=True):
    """A card to make; `board` and `kit` name firmware configurations. `replace`: also if the node is enrolled."""

    site: str
    node: str
    station: str
    board: str
    kit: str
    replace: bool = False


class CardChoices(Struct, frozen=True, kw_only=True):
    """Parts of a card: names of files, each with its title. `sites` also have their area."""

    sites: Sequence[tuple[str, str, str]]  # name, title, area
    boards: Sequence[tuple[str, str]]
    kits: Sequence[tuple[str, str]]


class CardArchive(Struct, frozen=True, kw_only=True):
    """The archive for a card. It holds the private keys of the node, and is written nowhere here."""

    file_name: str
    content: bytes

    def __repr__(self) -> str:
        return f"CardArchive(file_name={self.file_name!r})"


class CardMaker(Protocol):
    """Makes cards of nodes."""

    def list_choices(self) -> CardChoices:
        """Return what a card can be made of."""

    def make(self, connection: psycopg.Connection, actor: Actor, plan: CardPlan) -> CardArchive:
        """Enrol the node in the transaction of the caller, and return the archive. Raises GatewayError."""


class CertificateIssuer(Protocol):
    """The certificate authority on this machine, for nodes that are enrolled."""

    def renew(self, node: str) -> bytes:
        """Issue a certificate for the newest TLS key of the node, as PEM. Raises GatewayError."""

    def revoke(self, node: str) -> int:
        """Put every certificate of the node on the revocation list; return how many were added. Raises GatewayError."""

    def describe(self, certificate: bytes) -> str:
        """Return serial number and last day of a certificate, for the audit log."""


class StorageFolder(Struct, frozen=True, kw_only=True):
    """A file system with a folder of ours, in bytes."""

    path: str
    total: int
    free: int


class OperatorTools(Struct, frozen=True, kw_only=True):
    """Each is None if this machine has no means for it.

    examine              every check of the doctor
    cards, certificates  the authority
    check_configuration  raises OperatorError for sensors and batching that no node could use
    """

    settings: OperatorSettings = OperatorSettings()
    examine: Callable[[], list[CheckResult]] | None = None
    cards: CardMaker | None = None
    certificates: CertificateIssuer | None = None
    check_configuration: Callable[[str], None] | None = None
    read_disks: Callable[[], list[StorageFolder]] = list
    retention_days: Sequence[tuple[str, int | None]] = ()


DATABASE_ONLY = OperatorTools()
