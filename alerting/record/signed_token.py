"""Tokens in links: a payload that everybody can read and only we can sign. Pure.

A token is `<key id>.<payload>.<MAC>`, in base64url. `purpose` is signed too, so that a token of one kind of link is
worth nothing in another. The keys are those of `alerting.signing_key`; keys and time are arguments.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from hashlib import sha256

_MAC_LENGTH = 16  # bytes: forging one takes 2^128 tries
MAX_TOKEN_LENGTH = 1_000  # characters of a token


def sign_payload(payload: bytes, purpose: str, keys: Mapping[int, bytes]) -> str:
    """Return the token, signed with the newest key. Raises ValueError if `verify_payload` would refuse its length."""
    key_id = max(keys)
    body = f"{key_id}.{_encode_base64(payload)}"
    token = f"{body}.{_encode_base64(_compute_mac(body, purpose, keys[key_id]))}"
    if len(token) > MAX_TOKEN_LENGTH:
        raise ValueError(f"a token of {len(token)} characters: at most {MAX_TOKEN_LENGTH} are read")
    return token


def verify_payload(token: str, purpose: str, keys: Mapping[int, bytes]) -> bytes | None:
    """Return a token's payload; None if it is damaged or not signed by us for this purpose. Never raises."""
    body, _, mac = token[:MAX_TOKEN_LENGTH].rpartition(".")
    key_id, _, encoded = body.partition(".")
    try:
        secret = keys[int(key_id)]
        if not hmac.compare_digest(urlsafe_b64decode(_add_padding(mac)), _compute_mac(body, purpose, secret)):
            return None
        return urlsafe_b64decode(_add_padding(encoded))
    except (KeyError, ValueError, Base64Error):
        return None


def _compute_mac(body: str, purpose: str, secret: bytes) -> bytes:
    return hmac.digest(secret, f"piekwacht {purpose} {body}".encode(), sha256)[:_MAC_LENGTH]


def _encode_base64(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def _add_padding(text: str) -> bytes:
    return (text + "=" * (-len(text) % 4)).encode("ascii", "replace")
