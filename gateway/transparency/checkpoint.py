"""Checkpoints: the signed head of a log, after https://c2sp.org/tlog-checkpoint.

<origin>
<size>
<base64 of the root>

— <origin> <base64 of key id and signature>
— <witness> <base64 of key id, time and signature>
"""

import base64
import re
from typing import Self

from msgspec import Struct

from edge_agent.signing import NoteError, Signer, Verifier, split_note
from gateway.transparency.errors import ProofError
from gateway.transparency.merkle import EMPTY_ROOT, HASH_BYTES

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
MAX_CHECKPOINT_BYTES = 65_536


class Checkpoint(Struct, frozen=True, kw_only=True):
    """Head of a log: `size` leaves, whose tree has this root (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def encode(self) -> bytes:
        """Text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n".encode()

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """Read the text of a note. Raises ProofError with the reason; extension lines are not accepted."""
        checkpoint = cls.decode(text)
        checkpoint.check_empty_root()
        return checkpoint

    @classmethod
    def decode(cls, text: bytes) -> Self:
        """Like `parse`, except that an empty log may have any root: a witness answers that with a separate status."""
        try:
            origin, size, root = text.decode().removesuffix("\n").split("\n")
        except ValueError:
            raise ProofError("a checkpoint has three lines: origin, size, root") from None
        if not origin or not _SIZE.fullmatch(size):
            raise ProofError("a checkpoint has an origin and a size without leading zeroes")
        checkpoint = cls(origin=origin, size=int(size), root=decode_hash(root))
        if checkpoint.encode() != text:
            raise ProofError("the checkpoint is not written in its only form")
        return checkpoint

    def check_empty_root(self) -> None:
        """Raise ProofError if the log is empty and its root is not that of the empty tree."""
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise ProofError("the checkpoint of an empty log has another root than that of the empty tree")

    def sign(self, signer: Signer) -> bytes:
        """Return the signed note; the key's name is the origin."""
        if signer.name != self.origin:
            raise ProofError(f"the key of {signer.name} cannot sign a checkpoint of {self.origin}")
        return signer.sign(self.encode())


def open_checkpoint(note: bytes, verifier: Verifier) -> Checkpoint:
    """Verify the log's signature and read the checkpoint. Raises ProofError with the reason."""
    checkpoint = read_checkpoint(note)
    if checkpoint.origin != verifier.name:
        raise ProofError(f"the checkpoint is of the log {checkpoint.origin}, not of {verifier.name}")
    try:
        verifier.open(note)
    except NoteError as error:
        raise ProofError(f"the checkpoint of {verifier.name} is not signed by its log: {error}") from None
    return checkpoint


def read_checkpoint(note: bytes) -> Checkpoint:
    """Read the checkpoint of a signed note without verifying anything."""
    if len(note) > MAX_CHECKPOINT_BYTES:
        raise ProofError(f"the checkpoint has {len(note)} bytes, more than {MAX_CHECKPOINT_BYTES}")
    return Checkpoint.parse(read_checkpoint_text(note))


def read_checkpoint_text(note: bytes) -> bytes:
    """Text of a signed note without its signatures. Raises ProofError if there is no signature block."""
    try:
        text, _ = split_note(note)
    except NoteError as error:
        raise ProofError(f"the checkpoint cannot be read: {error}") from None
    return text


def decode_hash(text: str) -> bytes:
    """Base64 of a hash -> 32 bytes. Raises ProofError unless it is written in its only form."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raise ProofError(f"{text[:60]!r} is not base64") from None
    if len(raw) != HASH_BYTES or base64.b64encode(raw).decode() != text:
        raise ProofError(f"{text[:60]!r} is not the base64 of a hash of {HASH_BYTES} bytes")
    return raw
