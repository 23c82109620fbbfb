"""Signing in through the organisation's provider: OpenID Connect, authorization code with PKCE, by Authlib.

The provider says who somebody is; whether they have an account here, and what it may do, an administrator says.
"""

import hashlib

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.starlette_client import OAuth
from fastapi import Request
from fastapi.responses import RedirectResponse
from httpx import HTTPError
from joserfc.errors import JoseError

from gateway.access.identity_provider import IdentityProviderError
from gateway.access.settings import OidcSettings


class OidcProvider:
    """A `Provider` by OpenID Connect; the rest of its words at its address."""

    def __init__(self, settings: OidcSettings) -> None:
        self._settings, secret = settings, settings.client_secret_file.read_text().strip()
        self.cookie_secret = hashlib.sha256(b"sign-in under way:" + secret.encode()).hexdigest()
        oauth = OAuth()
        self._client = oauth.register(
            "provider",
            client_id=settings.client_id,
            client_secret=secret,
            server_metadata_url=f"{settings.issuer.rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={"scope": "openid email profile", "code_challenge_method": "S256", "trust_env": False},
        )

    async def redirect_to_provider(self, request: Request, return_url: str) -> RedirectResponse:
        """To the provider's page. ProviderError where it does not answer."""
        try:
            response: RedirectResponse = await self._client.authorize_redirect(request, return_url)
        except (HTTPError, AuthlibBaseError, ValueError) as error:
            raise IdentityProviderError(f"the provider does not answer: {error}") from None
        return response

    async def fetch_account_name(self, request: Request) -> str:
        """The name of the account, from a token that was checked: signature, issuer, audience, nonce, state."""
        try:
            token = await self._client.authorize_access_token(request)
        except (AuthlibBaseError, JoseError, HTTPError, ValueError, KeyError) as error:
            raise IdentityProviderError(f"the provider's answer was not accepted: {error}") from None
        claims = token.get("userinfo") or {}
        name = claims.get(self._settings.claim)
        if self._settings.claim == "email" and claims.get("email_verified") is False:
            raise IdentityProviderError("the provider has not verified the address")
        if not isinstance(name, str) or not name:
            raise IdentityProviderError(f"the provider's token has no claim {self._settings.claim}")
        return name.lower()
