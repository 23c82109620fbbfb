"""Authentication of requests: credentials are looked up in the database and cached for some seconds."""

import time
from collections import OrderedDict
from collections.abc import Iterable

from starlette.datastructures import Headers

from gateway.access.accounts import Accounts
from gateway.access.credentials import hash_token
from gateway.access.identity import Identity

CACHE_SECONDS = 5.0  # a revoked key or a disabled account works at most this much longer
_MAX_CACHED = 10_000
_MAX_CREDENTIAL_LENGTH = 200  # characters; ours are shorter


class Credential:
    """The credential of a request: a key in `Authorization: Bearer`, or the cookie of a session."""

    def __init__(self, text: str, *, is_key: bool) -> None:
        self.text, self.is_key, self.id = text, is_key, hash_token(text)


def credential_from_headers(headers: Headers, cookie: str) -> Credential | None:
    """Return the credential of a request, or None; a key takes precedence over a cookie."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return Credential(key.strip()[:_MAX_CREDENTIAL_LENGTH], is_key=True)
    token = find_cookie(headers.getlist("cookie"), cookie)
    return Credential(token[:_MAX_CREDENTIAL_LENGTH], is_key=False) if token else None


def find_cookie(cookie_headers: Iterable[str], name: str) -> str:
    """Return the value of the first cookie of this name, else an empty text.

    Cookies that other programs of the same domain set may have any form; they must not hide ours.
    """
    for header in cookie_headers:
        for part in header.split(";"):
            cookie_name, _, value = part.partition("=")
            if cookie_name.strip() == name and value.strip():
                return value.strip()
    return ""


class Authenticator:
    """Looks up identities and caches them for CACHE_SECONDS."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._cache: OrderedDict[bytes, tuple[float, Identity]] = OrderedDict()

    def get_cached(self, credential: Credential) -> Identity | None:
        """Return the identity from the cache, or None."""
        at, identity = self._cache.get(credential.id, (0.0, None))
        return identity if time.monotonic() - at < CACHE_SECONDS else None

    async def look_up(self, credential: Credential) -> Identity | None:
        """Return the identity from the database, or None. Raises psycopg.Error while the database is unavailable."""
        find = self._accounts.find_by_key if credential.is_key else self._accounts.find_by_session
        identity = await find(credential.text)
        if identity is not None:
            self._cache[credential.id] = (time.monotonic(), identity)
            if len(self._cache) > _MAX_CACHED:
                self._cache.popitem(last=False)
        return identity

    def forget(self, credential: Credential) -> None:
        """Remove a credential from the cache: its session is signed out."""
        self._cache.pop(credential.id, None)
