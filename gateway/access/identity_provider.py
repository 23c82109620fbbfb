"""The identity provider as the account routes use it, without the libraries that implement it."""

from typing import Protocol

from fastapi import Request
from fastapi.responses import RedirectResponse


class IdentityProviderError(Exception):
    """The provider authenticated nobody; the message is for the log."""


class UnverifiedAddressError(IdentityProviderError):
    """The provider does not state that the e-mail address belongs to the person."""


class IdentityProvider(Protocol):
    """Authenticates people. Both methods raise IdentityProviderError."""

    async def redirect_to_provider(self, request: Request, return_url: str) -> RedirectResponse:
        """Redirect to the provider's page, which sends people to `return_url` afterwards."""

    async def fetch_account_name(self, request: Request) -> str:
        """Return the account name from the request to `return_url`."""
