"""Files `.tlog-proof`: that a leaf is in the log, checkable without a network, after https://c2sp.org/tlog-proof."""

import base64
import re
from typing import Self

from msgspec import Struct

from gateway.transparency.checkpoint import MAX_CHECKPOINT_BYTES, decode_hash
from gateway.transparency.errors import ProofError

_HEADER = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")
_MAX_HASHES = 63
_MAX_BYTES = MAX_CHECKPOINT_BYTES + 16_384


class LogProof(Struct, frozen=True, kw_only=True):
    """Index of a leaf, its inclusion proof, and the signed checkpoint that the proof leads to.

    A line `extra` is read over: nobody signed it, so nothing may rely on it.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes

    def encode(self) -> bytes:
        """Bytes of the file."""
        lines = [_HEADER, f"index {self.index}", *(base64.b64encode(item).decode() for item in self.hashes), "", ""]
        return "\n".join(lines).encode() + self.checkpoint

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read a file. Raises ProofError with the reason; signatures and hashes are not verified here."""
        if len(content) > _MAX_BYTES:
            raise ProofError(f"the proof has {len(content)} bytes, more than {_MAX_BYTES}")
        head, separator, checkpoint = content.partition(b"\n\n")
        try:
            lines = head.decode("ascii").split("\n")
        except UnicodeDecodeError:
            raise ProofError("the proof is not text") from None
        if lines[0] != _HEADER or not separator:
            raise ProofError(f"a proof begins with the line {_HEADER} and has an empty line before the checkpoint")
        body = lines[2:] if lines[1:2] and lines[1].startswith("extra ") else lines[1:]
        match = _INDEX.fullmatch(body[0]) if body else None
        if match is None:
            raise ProofError("the proof has no line `index` with the number of the leaf")
        if len(body) - 1 > _MAX_HASHES:
            raise ProofError(f"the proof has more than {_MAX_HASHES} hashes")
        hashes = tuple(decode_hash(line) for line in body[1:])
        return cls(index=int(match[1]), hashes=hashes, checkpoint=checkpoint)
