"""What the desk needs of a provider, without the libraries of one."""

from typing import Protocol

from fastapi import Request
from fastapi.responses import RedirectResponse


class IdentityProviderError(Exception):
    """The provider did not vouch for anybody; the message is for the log."""


class IdentityProvider(Protocol):
    """Says who somebody is. Both raise ProviderError."""

    async def redirect_to_provider(self, request: Request, return_url: str) -> RedirectResponse:
        """To the provider's page, which sends people to `back` afterwards."""

    async def fetch_account_name(self, request: Request) -> str:
        """The name of the account, when they are back."""
