"""Leaves of the log: small typed texts of three lines, so that a person can read them.

    piekwacht/batch@v1
    ijm-001 abcdefghijkl 17
    <base64 of the SHA-256 of the signed bytes>

The first line names the kind, the second has its fields, the third the content: the hash of bytes that are stored
elsewhere, or a verifier key. `KINDS` names the fields of each kind; docs/proof-format.md describes them.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Self

import msgspec
from msgspec import Struct

from gateway.transparency.errors import ProofError

_FIELD = re.compile(r"[!-~]{1,200}")
_CONTENT = re.compile(r"[!-~]{1,1000}")


class LeafKind(StrEnum):
    """Kind of the thing that a leaf is about; the first line of the leaf."""

    BATCH = "piekwacht/batch@v1"
    NODE_KEY = "piekwacht/node-key@v1"
    CALIBRATION = "piekwacht/calibration@v1"
    CORRECTION_RULE = "piekwacht/correction-rule@v1"
    DETECTOR = "piekwacht/detector@v1"
    DETECTOR_STATE = "piekwacht/detector-state@v1"
    EVENT = "piekwacht/event@v1"
    DELIVERY = "piekwacht/delivery@v1"
    REMOVED = "piekwacht/removed@v1"


KINDS: Mapping[LeafKind, tuple[str, ...]] = {
    LeafKind.BATCH: ("node", "incarnation", "number"),
    LeafKind.NODE_KEY: ("node", "station", "from", "until"),
    LeafKind.CALIBRATION: ("node", "property", "version", "from"),
    LeafKind.CORRECTION_RULE: ("name", "version"),
    LeafKind.DETECTOR: ("version",),
    LeafKind.DETECTOR_STATE: ("version", "leaf"),
    LeafKind.EVENT: ("event", "revision"),
    LeafKind.DELIVERY: ("count",),
    LeafKind.REMOVED: ("what", "reason", "count"),
}
"""Kind -> names of its fields. Times are RFC 3339 in UTC, `-` is a time without a limit."""


class Leaf(Struct, frozen=True, kw_only=True):
    """An entry of the log. `content`: the base64 of a SHA-256, or a verifier key for NODE_KEY."""

    kind: LeafKind
    fields: tuple[str, ...]
    content: str

    def __post_init__(self) -> None:
        if len(self.fields) != len(KINDS[self.kind]) or not all(map(_FIELD.fullmatch, self.fields)):
            raise ProofError(
                f"a leaf {self.kind} has the fields {' '.join(KINDS[self.kind])}, without spaces in a field"
            )
        if not _CONTENT.fullmatch(self.content):
            raise ProofError(f"the last line of a leaf {self.kind} is printable text without spaces")

    def encode(self) -> bytes:
        """Bytes of the entry."""
        return f"{self.kind}\n{' '.join(self.fields)}\n{self.content}\n".encode()

    @classmethod
    def parse(cls, entry: bytes) -> Self:
        """Read an entry. Raises ProofError if it is not written exactly as `encode` writes it."""
        try:
            kind, fields, content = entry.decode("ascii").removesuffix("\n").split("\n")
            leaf = cls(kind=LeafKind(kind), fields=tuple(fields.split(" ")), content=content)
        except ProofError:
            raise
        except ValueError:
            raise ProofError(f"no leaf of a known kind: {entry[:80]!r}") from None
        if leaf.encode() != entry:
            raise ProofError(f"the leaf {entry[:80]!r} is not written in its only form")
        return leaf


def describe_batch(node: str, incarnation: str, number: int, payload: bytes) -> Leaf:
    """Leaf of a batch; `payload`: its signed bytes as the node sent them."""
    return Leaf(kind=LeafKind.BATCH, fields=(node, incarnation, str(number)), content=hash_content(payload))


def hash_content(content: bytes) -> str:
    """Base64 of the SHA-256 of these bytes."""
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def encode_canonically(value: Any) -> bytes:  # noqa: ANN401 - any JSON
    """JSON with sorted keys and without spaces: the same bytes for the same value (numbers as Python writes them)."""
    return msgspec.json.encode(value, order="sorted")
