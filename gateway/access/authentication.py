"""Who is behind a request: looked up in the database, remembered for some seconds."""

import time
from collections import OrderedDict
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers

from gateway.access.accounts import Accounts
from gateway.access.credentials import hash_token
from gateway.access.identity import Identity

CACHE_SECONDS = 5.0  # a revoked key or a disabled account works at most so much longer
_MAX_CACHED = 10_000
_MAX_CREDENTIAL_LENGTH = 200  # characters of a credential of ours


class Credential:
    """What a request shows: a key in `Authorization: Bearer`, or the cookie of a session."""

    def __init__(self, text: str, *, is_key: bool) -> None:
        self.text, self.is_key, self.id = text, is_key, hash_token(text)


def credential_from_headers(headers: Headers, cookie: str) -> Credential | None:
    """The credential of a request, or None; a key goes before a cookie."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return Credential(key.strip()[:_MAX_CREDENTIAL_LENGTH], is_key=True)
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(cookie)
    except CookieError:
        return None
    return (
        None if morsel is None or not morsel.value else Credential(morsel.value[:_MAX_CREDENTIAL_LENGTH], is_key=False)
    )


class Authenticator:
    """Remembers whom it let in, and nobody for long."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._cache: OrderedDict[bytes, tuple[float, Identity]] = OrderedDict()

    def get_cached(self, credential: Credential) -> Identity | None:
        """Without asking the database."""
        at, identity = self._cache.get(credential.id, (0.0, None))
        return identity if time.monotonic() - at < CACHE_SECONDS else None

    async def look_up(self, credential: Credential) -> Identity | None:
        """Ask the database. Raises psycopg.Error while it is away."""
        find = self._accounts.find_by_key if credential.is_key else self._accounts.find_by_session
        identity = await find(credential.text)
        if identity is not None:
            self._cache[credential.id] = (time.monotonic(), identity)
            if len(self._cache) > _MAX_CACHED:
                self._cache.popitem(last=False)
        return identity

    def forget(self, credential: Credential) -> None:
        """Signed out."""
        self._cache.pop(credential.id, None)
