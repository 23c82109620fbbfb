"""Check Ed25519 signatures with a cache of keys: those of the nodes return with every batch. Called by decoding.

libsodium releases the interpreter lock, so that threads can work at once.
"""

from functools import lru_cache

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey


@lru_cache(maxsize=100_000)
def _load_verify_key(public_key: bytes) -> VerifyKey:
    return VerifyKey(public_key)


def is_valid_signature(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether the signature (64 bytes) of the message was made with the private key of `public_key` (32 bytes)."""
    try:
        _load_verify_key(public_key).verify(message, signature)
    except BadSignatureError:
        return False
    return True
