"""The cookie of a session: set by every way to sign in, deleted when signing out."""

from fastapi import Request, Response

from gateway.access.accounts import Accounts
from gateway.access.authentication import Authenticator, credential_from_headers


class SessionCookie:
    """The cookie with its name and lifetime; one instance per application."""

    def __init__(
        self, accounts: Accounts, authenticator: Authenticator, *, name: str, is_secure: bool, seconds: float
    ) -> None:
        self._accounts, self._authenticator = accounts, authenticator
        self.name, self.is_secure, self.seconds = name, is_secure, seconds

    def read_token(self, request: Request) -> str | None:
        """Return the token of the request's session; None without one, or with a key."""
        credential = credential_from_headers(request.headers, self.name)
        return None if credential is None or credential.is_key else credential.text

    def set(self, response: Response, token: str) -> None:
        """Begin the session in the browser."""
        response.set_cookie(
            self.name, token, int(self.seconds), path="/", secure=self.is_secure, httponly=True, samesite="lax"
        )

    def delete(self, response: Response) -> None:
        """Delete the cookie in the browser."""
        response.delete_cookie(self.name, path="/", secure=self.is_secure, httponly=True, samesite="lax")

    async def end_session(self, request: Request) -> None:
        """End the request's session in the cache and in the database. Raises psycopg.OperationalError."""
        credential = credential_from_headers(request.headers, self.name)
        if credential is not None and not credential.is_key:
            await self._accounts.end_session(credential.text)
            self._authenticator.forget(credential)
