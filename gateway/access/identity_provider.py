"""What the desk needs of a provider, without the libraries of one."""

from typing import Protocol

from fastapi import Request
from fastapi.responses import RedirectResponse


class ProviderError(Exception):
    """The provider did not vouch for anybody; the message is for the log."""


class Provider(Protocol):
    """Says who somebody is. Both raise ProviderError."""

    async def send_there(self, request: Request, back: str) -> RedirectResponse:
        """To the provider's page, which sends people to `back` afterwards."""

    async def vouched(self, request: Request) -> str:
        """The name of the account, when they are back."""
