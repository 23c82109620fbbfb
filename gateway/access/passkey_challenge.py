"""Challenges of passkeys (WebAuthn), derived from a cookie instead of stored. Pure: takes `now`.

A challenge is HMAC-SHA256 over its purpose, its session if there is one, and a cookie with random bytes and a time of
expiry. So asking for one writes nothing, any process of the API can check it, and it works only in the browser that
asked.
"""

import hmac
import secrets
from datetime import datetime
from enum import StrEnum

CHALLENGE_SECONDS = 300


class ChallengePurpose(StrEnum):
    """Purpose of a challenge; no other use is accepted."""

    REGISTER = "register"
    SIGN_IN = "sign-in"


def new_challenge_cookie(now: datetime) -> str:
    """Return the value of a cookie: random text, a dot, and the time of expiry in seconds since 1970."""
    return f"{secrets.token_urlsafe(24)}.{int(now.timestamp()) + CHALLENGE_SECONDS}"


def derive_challenge(
    secret: bytes, purpose: ChallengePurpose, cookie: str, now: datetime, *, binding: str = ""
) -> bytes | None:
    """Return the challenge (32 bytes) of a cookie, or None if the cookie is missing, malformed or expired.

    `binding`: the hash of a session's token in hexadecimal; empty if nobody has signed in yet.
    """
    nonce, _, expires_at = cookie.partition(".")
    if not nonce or not (expires_at.isascii() and expires_at.isdecimal() and len(expires_at) <= 12):
        return None
    if not 0 <= int(expires_at) - now.timestamp() <= CHALLENGE_SECONDS:
        return None
    return _sign(secret, f"challenge {purpose.value}", binding, cookie)


def derive_user_handle(secret: bytes, account: str) -> bytes:
    """Return the account's id for authenticators (32 bytes): it has nothing of the person in it."""
    return _sign(secret, "user handle", account)


def _sign(secret: bytes, *parts: str) -> bytes:
    return hmac.digest(secret, "\0".join(parts).encode(), "sha256")
