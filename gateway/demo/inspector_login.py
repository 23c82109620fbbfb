"""The demo's inspector: an account with a password and a code, which the terminal shows."""

import asyncio
import secrets
from dataclasses import dataclass
from datetime import datetime

import pyotp

from gateway.access.accounts import Accounts
from gateway.access.credentials import totp_uri
from gateway.access.identity import Role

_NAME = "inspecteur@omgevingsdienst.example"


@dataclass(frozen=True, kw_only=True)
class InspectorLogin:
    """Name, password and secret of an inspector's account; `secret` is that of the authenticator app."""

    name: str
    password: str
    secret: str

    def code_at(self, now: datetime) -> str:
        """Return the six digits that the authenticator app shows at `now`."""
        return pyotp.TOTP(self.secret).at(now)

    @property
    def uri(self) -> str:
        """Return what an authenticator app reads."""
        return totp_uri(self.secret, self.name)


def create_login(dsn: str, area: str) -> InspectorLogin:
    """Create the account, or give it a new password in the database of an earlier demo."""
    password = secrets.token_urlsafe(12)
    secret = asyncio.run(Accounts(dsn).put_account(_NAME, Role.INSPECTOR, [area], password))
    return InspectorLogin(name=_NAME, password=password, secret=secret or "")
