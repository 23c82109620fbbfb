"""Cosignatures of witnesses with Ed25519, after https://c2sp.org/tlog-cosignature (version 1).

A cosignature states that at this time this was the largest head of the log that the witness has seen, and that it
continues all earlier heads. The signature line holds the key id, the time in eight bytes and the signature.
"""

import base64
import hashlib
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Struct

from edge_agent.signing import NoteError, Signer, decode_base64, split_note
from gateway.transparency.errors import ProofError

_ALGORITHM = b"\x04"
_KEY_BYTES = 32
_TIME_BYTES = 8
_MAX_TIME = 2**63 - 1


class Cosignature(Struct, frozen=True, kw_only=True):
    """A verified cosignature: the witness and its time, seconds since 1970."""

    witness: str
    time: int


@dataclass(frozen=True, kw_only=True)
class WitnessKey:
    """Public key of a witness: `<name>+<key id, hex>+<base64 of 0x04 and the key>`."""

    name: str
    key_id: bytes
    public: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a witness key. Raises ProofError with the reason."""
        parts = text.strip().split("+", 2)
        if len(parts) != 3 or not parts[0]:
            raise ProofError("a witness key reads <name>+<key id>+<base64>")
        name, key_id, encoded = parts
        try:
            raw = decode_base64(encoded)
        except NoteError as error:
            raise ProofError(f"the witness key of {name}: {error}") from None
        if raw[:1] != _ALGORITHM or len(raw) != 1 + _KEY_BYTES:
            raise ProofError(f"the witness key of {name} is not an Ed25519 key for cosignatures")
        if _key_id(name, raw[1:]).hex() != key_id:
            raise ProofError(f"the witness key of {name} does not match its own key id")
        return cls(name=name, key_id=bytes.fromhex(key_id), public=raw[1:])

    @classmethod
    def of(cls, signer: Signer) -> Self:
        """Public key under which `cosign` with this signer is verified."""
        public = signer.verifier.public
        return cls(name=signer.name, key_id=_key_id(signer.name, public), public=public)

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(_ALGORITHM + self.public).decode()}"

    def check(self, note: bytes) -> Cosignature | None:
        """Return this witness' cosignature of a checkpoint, None without one. Raises ProofError if it is false."""
        text, signatures = split_note(note)
        for line in signatures:
            if (line.name, line.key_id) == (self.name, self.key_id):
                time = int.from_bytes(line.signature[:_TIME_BYTES], "big")
                if not self._fits(line.signature, time, text):
                    raise ProofError(f"the cosignature by {self.name} does not fit the checkpoint")
                return Cosignature(witness=self.name, time=time)
        return None

    def _fits(self, signature: bytes, time: int, text: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature[_TIME_BYTES:], _message(time, text))
        except InvalidSignature:
            return False
        return time <= _MAX_TIME


def cosign(signer: Signer, text: bytes, time: int) -> bytes:
    """Signature line over the text of a checkpoint; `time` in seconds since 1970."""
    blob = _key_id(signer.name, signer.verifier.public) + time.to_bytes(_TIME_BYTES, "big")
    blob += signer.make_signature(_message(time, text))
    return f"— {signer.name} ".encode() + base64.b64encode(blob) + b"\n"


def _message(time: int, text: bytes) -> bytes:
    return f"cosignature/v1\ntime {time}\n".encode() + text


def _key_id(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + _ALGORITHM + public).digest()[:4]
