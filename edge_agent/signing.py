"""Signed notes: a text, an empty line, and Ed25519 signatures, in the C2SP signed-note form.

    <text, ending in a newline>
    <empty line>
    — <name> <base64(4-byte key id || 64-byte signature)>

The key id is the first four bytes of SHA-256(name || 0x0A || 0x01 || public key). It shows a verifier at once whether a
signature claims to be by its key. The signature covers exactly the bytes of the text: nothing is serialised again
before it is checked.

Signatures are made and checked by libsodium: it takes half the time of OpenSSL and a fifth of its memory, and refuses
keys of small order.

Source: https://c2sp.org/signed-note
"""

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

from msgspec import Struct
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

_ALGORITHM = b"\x01"  # Ed25519, as numbered by the signed-note specification
_DASH = "— ".encode()
_NAME = re.compile(r"[^\s+]+")
_KEY_ID_BYTES = 4
_SIGNATURE_BYTES = 64
_KEY_BYTES = 32


class NoteError(ValueError):
    """A note or a key that cannot be read; the message names what is wrong."""


class UnsignedError(NoteError):
    """The note carries no signature under the expected name."""


class ForgedError(NoteError):
    """A signature claims to be by the expected key, and is not."""


def _key_id(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + _ALGORITHM + public).digest()[:_KEY_ID_BYTES]


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise NoteError(f"a key's name may hold neither spaces nor '+': {name!r}")


def decode_base64(text: str | bytes) -> bytes:
    """Decode base64 that is written in its only form. Raises NoteError otherwise."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError as error:  # binascii.Error is one, and letters beyond ASCII are another
        raise NoteError(f"not base64: {error}") from None
    if base64.b64encode(raw) != (text.encode() if isinstance(text, str) else text):
        # they would let one signature be written in several ways
        raise NoteError("not base64: bits beyond the last byte")
    return raw


SignatureCheck = Callable[[bytes, bytes, bytes], bool]
"""(public key, 32 bytes; signature, 64 bytes; text) -> whether they belong together."""


def _is_valid(public: bytes, signature: bytes, text: bytes) -> bool:
    try:
        VerifyKey(public).verify(text, signature)
    except BadSignatureError:
        return False
    return True


@dataclass(frozen=True, kw_only=True)
class Verifier:
    """The public half of a key, for those who verify: `<name>+<key id, hex>+<base64>`."""

    name: str
    key_id: bytes
    public: bytes  # 32

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a verifier key. Raises NoteError with the reason."""
        parts = text.strip().split("+", 2)
        if len(parts) != 3:
            raise NoteError("a verifier key reads <name>+<key id>+<base64>")
        name, key_id, encoded = parts
        _check_name(name)
        raw = decode_base64(encoded)
        if raw[:1] != _ALGORITHM or len(raw) != 1 + _KEY_BYTES:
            raise NoteError(f"the verifier key of {name} is not an Ed25519 key")
        if _key_id(name, raw[1:]).hex() != key_id:
            raise NoteError(f"the verifier key of {name} does not match its own key id")
        return cls(name=name, key_id=bytes.fromhex(key_id), public=raw[1:])

    def under_name(self, name: str) -> Self:
        """The same key under another name, whose key id differs."""
        _check_name(name)
        return replace(self, name=name, key_id=_key_id(name, self.public))

    def __str__(self) -> str:
        raw = _ALGORITHM + self.public
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(raw).decode()}"

    def open(self, note: bytes, is_valid: "SignatureCheck | None" = None) -> bytes:
        """Return the signed text of a note. Raises UnsignedError, ForgedError or NoteError.

        `is_valid` checks the signature; default: without a cache of keys.
        """
        text, signatures = split_note(note)
        own_signatures = [s for s in signatures if s.name == self.name and s.key_id == self.key_id]
        if not own_signatures:
            raise UnsignedError(f"no signature by {self.name} (key {self.key_id.hex()})")
        signature = own_signatures[0].signature
        if len(signature) != _SIGNATURE_BYTES or not (is_valid or _is_valid)(self.public, signature, text):
            raise ForgedError(f"the signature by {self.name} does not fit the text")
        return text


@dataclass(frozen=True, kw_only=True)
class Signer:
    """The private half of a key, in the form `PRIVATE+KEY+<name>+<key id, hex>+<base64>`."""

    name: str
    private: SigningKey = field(repr=False)  # its `str` is the key

    @classmethod
    def generate(cls, name: str) -> Self:
        """Make a new key from the system's randomness."""
        _check_name(name)
        return cls(name=name, private=SigningKey.generate())

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a private key; the message of a NoteError never contains the key."""
        parts = text.strip().split("+", 4)
        if len(parts) != 5 or parts[:2] != ["PRIVATE", "KEY"]:
            raise NoteError("a private key reads PRIVATE+KEY+<name>+<key id>+<base64>")
        name, key_id, encoded = parts[2:]
        _check_name(name)
        raw = decode_base64(encoded)
        if raw[:1] != _ALGORITHM or len(raw) != 1 + _KEY_BYTES:
            raise NoteError(f"the private key of {name} is not an Ed25519 key")
        signer = cls(name=name, private=SigningKey(raw[1:]))
        if signer.verifier.key_id.hex() != key_id:
            raise NoteError(f"the private key of {name} does not match its own key id")
        return signer

    def export(self) -> str:
        """The private key as text, for a file with mode 0600. `str()` and `repr()` never show it."""
        key_id = self.verifier.key_id.hex()
        raw = _ALGORITHM + bytes(self.private)
        return f"PRIVATE+KEY+{self.name}+{key_id}+{base64.b64encode(raw).decode()}"

    @cached_property
    def verifier(self) -> Verifier:
        """The public half."""
        public = bytes(self.private.verify_key)
        return Verifier(name=self.name, key_id=_key_id(self.name, public), public=public)

    def make_signature(self, message: bytes) -> bytes:
        """Return the bare signature of any bytes: 64 bytes."""
        return self.private.sign(message).signature

    def sign(self, text: bytes) -> bytes:
        """Text (UTF-8, ending in a newline) -> the whole signed note."""
        if not text.endswith(b"\n"):
            raise NoteError("a note's text ends in a newline")
        blob = self.verifier.key_id + self.make_signature(text)
        return text + b"\n" + _DASH + self.name.encode() + b" " + base64.b64encode(blob) + b"\n"


class Signature(Struct, frozen=True, kw_only=True):
    """One signature line of a note: who claims it, and the signature: 64 bytes, or others for other kinds of keys."""

    name: str
    key_id: bytes
    signature: bytes


def split_note(note: bytes) -> tuple[bytes, list[Signature]]:
    """Signed note -> (text with its final newline, its signatures). Nothing is verified here.

    Raises UnsignedError if there is no signature block, NoteError if a line of it is malformed.
    """
    end = note.rfind(b"\n\n")
    if end < 0 or not note[end + 2 :].startswith(_DASH):
        raise UnsignedError("no signature block: expected an empty line and a line that starts with an em dash")
    if not note.endswith(b"\n"):
        raise NoteError("the last signature line does not end in a newline")
    lines = note[end + 2 : -1].split(b"\n")
    return note[: end + 1], [_parse_signature(line) for line in lines]


def _parse_signature(line: bytes) -> Signature:
    if not line.startswith(_DASH):
        raise NoteError("a signature line starts with an em dash and a space")
    name, space, encoded = line[len(_DASH) :].partition(b" ")
    blob = decode_base64(encoded)
    if not space or len(blob) <= _KEY_ID_BYTES:
        raise NoteError("a signature line reads — <name> <base64 of a key id of four bytes and a signature>")
    try:
        text = name.decode()
    except UnicodeDecodeError:
        raise NoteError("the name of a signature is not UTF-8") from None
    return Signature(name=text, key_id=blob[:_KEY_ID_BYTES], signature=blob[_KEY_ID_BYTES:])
