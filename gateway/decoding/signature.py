"""Ed25519 signatures by libsodium, for the gateway.

It takes half the time of OpenSSL and releases the interpreter lock, so that threads can work at once. It is also
stricter: it rejects keys and points of small order.
"""

from collections.abc import Callable
from functools import lru_cache

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey


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


def make_sign_function(private_key: bytes) -> Callable[[bytes], bytes]:
    """Return a function that signs with this private key (32 bytes); its signatures equal OpenSSL's (64 bytes)."""
    key = SigningKey(private_key)
    return lambda text: key.sign(text).signature
