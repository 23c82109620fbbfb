"""The body of a request to a witness: https://c2sp.org/tlog-witness, call add-checkpoint.

    old <size of the head that the witness signed last>
    <base64 of a hash of the consistency proof>
    ...
    <empty line>
    <checkpoint, a signed note>

The witness reads it, the client of the gateway writes it.
"""

import base64
import re
from typing import Self

from msgspec import Struct

from edge_agent.signing import NoteError, Signature, Verifier, split_note
from gateway.transparency.checkpoint import MAX_CHECKPOINT_BYTES, Checkpoint, decode_hash, read_checkpoint_text
from gateway.transparency.errors import ProofError

PATH = "/add-checkpoint"
SIZE_CONTENT_TYPE = "text/x.tlog.size"
MAX_PROOF_HASHES = 63
MAX_BODY_BYTES = MAX_CHECKPOINT_BYTES + 4_096  # the first line and 63 hashes of 45 bytes fit
MAX_SIZE = 2**63 - 1
_OLD_LINE = re.compile(r"old (0|[1-9][0-9]{0,18})")


class CheckpointRequest(Struct, frozen=True, kw_only=True):
    """A signed checkpoint, and the proof that it continues the head of `old_size` leaves."""

    old_size: int
    proof: tuple[bytes, ...]
    note: bytes
    checkpoint: Checkpoint

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read a body. Raises ProofError with the reason; no signature and no hash is verified here."""
        if len(body) > MAX_BODY_BYTES:
            raise ProofError(f"the request has {len(body)} bytes, more than {MAX_BODY_BYTES}")
        head, _, note = body.partition(b"\n\n")
        first, *lines = head.decode("ascii", "replace").split("\n")
        match = _OLD_LINE.fullmatch(first)
        if match is None:
            raise ProofError("a request begins with the line `old` and a size without leading zeroes")
        if len(lines) > MAX_PROOF_HASHES:
            raise ProofError(f"a consistency proof has at most {MAX_PROOF_HASHES} hashes")
        checkpoint = Checkpoint.decode(read_checkpoint_text(note))
        if max(int(match[1]), checkpoint.size) > MAX_SIZE:
            raise ProofError(f"a log has at most {MAX_SIZE} leaves")
        return cls(old_size=int(match[1]), proof=tuple(map(decode_hash, lines)), note=note, checkpoint=checkpoint)

    def encode(self) -> bytes:
        """Bytes of the body."""
        hashes = "".join(base64.b64encode(item).decode() + "\n" for item in self.proof)
        return f"old {self.old_size}\n{hashes}\n".encode() + self.note


def keep_signature(note: bytes, verifier: Verifier) -> bytes:
    """Return the note with the verified signature of this key alone.

    Raises ProofError if there is none, or if any signature line of this key is false.
    """
    text, signatures = split_note(note)
    own = [line for line in signatures if (line.name, line.key_id) == (verifier.name, verifier.key_id)]
    if not own:
        raise ProofError(f"the checkpoint has no signature of the key {verifier}")
    reduced = {text + b"\n" + _encode_signature(line) for line in own}
    try:
        for single in reduced:
            verifier.open(single)
    except NoteError as error:
        raise ProofError(f"the checkpoint is not signed by its log: {error}") from None
    return reduced.pop()


def _encode_signature(line: Signature) -> bytes:
    return f"— {line.name} ".encode() + base64.b64encode(line.key_id + line.signature) + b"\n"
