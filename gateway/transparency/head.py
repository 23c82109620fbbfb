"""Whether a log may sign its next head: it continues every head that was ever signed. Pure.

Two places remember the last signed head: the database, and a file outside it. The file is written before anybody sees
a head, so a database that was restored from a backup is behind the file.
"""

from msgspec import Struct

from gateway.errors import GatewayError
from gateway.transparency.merkle import ReadHash, compute_root


class LogRefusedError(GatewayError):
    """The log must not sign; the message is one sentence with the remedy."""


class SignedHead(Struct, frozen=True, kw_only=True):
    """Number of leaves of a signed head, and its root (32 bytes)."""

    size: int
    root: bytes


def check_database(area: str, size: int, recorded: SignedHead | None, state: SignedHead | None) -> None:
    """Raise LogRefusedError if the database has fewer leaves than were signed, or the file is missing.

    `size`: leaves with an index in the database; `recorded`: its last signed head; `state`: the head in the file.
    """
    if state is None and recorded is not None:
        raise LogRefusedError(
            f"the log of {area} has signed {recorded.size} leaves, and the file with its last head is missing: "
            "put it back, or the newest checkpoint that was published, before it signs again"
        )
    if state is not None and size < state.size:
        raise LogRefusedError(
            f"the database has {size} leaves of the log of {area}, and {state.size} are signed: a backup was restored; "
            f"restore a newer one, or take the leaves from the published log: `piekwacht log recover {area}`"
        )


def check_continuation(area: str, heads: tuple[SignedHead | None, ...], read_hash: ReadHash) -> None:
    """Raise LogRefusedError if the tree does not continue one of these heads."""
    for head in heads:
        if head is not None and compute_root(head.size, read_hash) != head.root:
            raise LogRefusedError(
                f"the leaves of the log of {area} are not those of its signed head of {head.size} leaves: "
                "the database was changed or another one restored, and this log never signs a fork"
            )
