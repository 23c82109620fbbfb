"""Passwords, one-time codes, session tokens and API keys. Only hashes of passwords and tokens are stored."""

import hashlib
import secrets
from datetime import datetime
from functools import cache

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from msgspec import Struct

# argon2id in one lane, so that a check keeps to one core. The work is that of RFC 9106 for small memory, 3 passes over
# 64 MiB. It is done as 4 passes over 46 MiB, the memory that OWASP recommends: a check leaves room on a small gateway.
_HASHER = PasswordHasher(time_cost=4, memory_cost=46 * 1024, parallelism=1)
_STEP_SECONDS = 30  # validity of one code (RFC 6238)
_MIN_PASSWORD_LENGTH = 12  # characters; length matters most (NIST SP 800-63B)
_KEY_PREFIX = "pwk"


class WeakPasswordError(ValueError):
    """The password is too short; the message names the minimum."""


def hash_password(password: str) -> str:
    """Return the hash to store. Raises WeakPasswordError if the password is too short."""
    if len(password) < _MIN_PASSWORD_LENGTH:
        raise WeakPasswordError(
            f"a password needs at least {_MIN_PASSWORD_LENGTH} characters; a sentence is a good one"
        )
    return _HASHER.hash(password)


def verify_password(password: str, stored: str | None) -> bool:
    """Check a password; equally slow without a stored hash, so that timing does not reveal which accounts exist."""
    try:
        return _HASHER.verify(stored or _dummy_hash(), password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


@cache
def _dummy_hash() -> str:
    return _HASHER.hash(secrets.token_hex(16))


def new_totp_secret() -> str:
    """Create a secret for an authenticator app."""
    return pyotp.random_base32()


def totp_uri(secret: str, name: str) -> str:
    """Return the URI that authenticator apps read as a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name="Piekwacht")


def match_totp_step(secret: str | None, code: str, now: datetime, last_used_step: int) -> int | None:
    """Return the time step of a code, or None if it does not count. Clocks may differ by one step.

    A wrong, old or used code does not count, and without a secret none does.
    """
    if secret is None:
        return None
    step = int(now.timestamp()) // _STEP_SECONDS
    for candidate in (step - 1, step, step + 1):
        if candidate > last_used_step and pyotp.TOTP(secret).verify(code, for_time=candidate * _STEP_SECONDS):
            return candidate
    return None


def hash_token(token: str) -> bytes:
    """Return the hash to store of a token; tokens are random, so one round is enough."""
    return hashlib.sha256(token.encode()).digest()


def new_session_token() -> str:
    """Create the token of a session, for the cookie."""
    return secrets.token_urlsafe(32)


class ApiKey(Struct, frozen=True, kw_only=True):
    """An API key; it is shown only once."""

    id: str
    secret: str

    def __str__(self) -> str:
        return f"{_KEY_PREFIX}_{self.id}_{self.secret}"


def new_api_key() -> ApiKey:
    """Create a key for a program."""
    return ApiKey(id=secrets.token_hex(6), secret=secrets.token_hex(24))


def parse_api_key(text: str) -> ApiKey | None:
    """Parse a key as programs send it; None if it has another form."""
    parts = text.split("_")
    return ApiKey(id=parts[1], secret=parts[2]) if len(parts) == 3 and parts[0] == _KEY_PREFIX else None
