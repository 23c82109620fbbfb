"""Who is behind a request: looked up in the database, remembered for some seconds."""

import time
from collections import OrderedDict
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers

from gateway.access.accounts import Accounts
from gateway.access.credentials import digest
from gateway.access.identity import Identity

REMEMBERED_SECONDS = 5.0  # a revoked key or a disabled account works at most so much longer
_MOST = 10_000
_LONGEST = 200  # characters of a credential of ours


class Credential:
    """What a request shows: a key in `Authorization: Bearer`, or the cookie of a session."""

    def __init__(self, text: str, *, is_key: bool) -> None:
        self.text, self.is_key, self.id = text, is_key, digest(text)


def shown(headers: Headers, cookie: str) -> Credential | None:
    """The credential of a request, or None; a key goes before a cookie."""
    kind, _, key = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return Credential(key.strip()[:_LONGEST], is_key=True)
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(cookie)
    except CookieError:
        return None
    return None if found is None or not found.value else Credential(found.value[:_LONGEST], is_key=False)


class Doorkeeper:
    """Remembers whom it let in, and nobody for long."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._known: OrderedDict[bytes, tuple[float, Identity]] = OrderedDict()

    def remembered(self, credential: Credential) -> Identity | None:
        """Without asking the database."""
        at, identity = self._known.get(credential.id, (0.0, None))
        return identity if time.monotonic() - at < REMEMBERED_SECONDS else None

    async def look_up(self, credential: Credential) -> Identity | None:
        """Ask the database. Raises psycopg.Error while it is away."""
        ask = self._accounts.by_key if credential.is_key else self._accounts.by_session
        identity = await ask(credential.text)
        if identity is not None:
            self._known[credential.id] = (time.monotonic(), identity)
            if len(self._known) > _MOST:
                self._known.popitem(last=False)
        return identity

    def forget(self, credential: Credential) -> None:
        """Signed out."""
        self._known.pop(credential.id, None)
