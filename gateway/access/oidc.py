"""Sign in through the organisation's provider: OpenID Connect, authorization code with PKCE, by Authlib.

The provider authenticates people. Only an administrator creates their accounts here and grants roles.
"""

import hashlib

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.starlette_client import OAuth
from fastapi import Request
from fastapi.responses import RedirectResponse
from httpx import HTTPError
from joserfc.errors import JoseError

from gateway.access.identity_provider import IdentityProviderError, UnverifiedAddressError
from gateway.access.settings import OidcSettings

_VERIFIED = (True, "true")  # some providers send the claim as a text


class OidcProvider:
    """An IdentityProvider by OpenID Connect; it loads the provider's metadata from the issuer's address."""

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
        """Redirect to the provider's page. Raises IdentityProviderError if the provider does not answer."""
        try:
            response: RedirectResponse = await self._client.authorize_redirect(request, return_url)
        except (HTTPError, AuthlibBaseError, ValueError) as error:
            raise IdentityProviderError(f"the provider does not answer: {error}") from None
        return response

    async def fetch_account_name(self, request: Request) -> str:
        """Return the account name from a verified token: signature, issuer, audience, nonce and state are checked."""
        try:
            token = await self._client.authorize_access_token(request)
        except (AuthlibBaseError, JoseError, HTTPError, ValueError, KeyError) as error:
            raise IdentityProviderError(f"the provider's answer was not accepted: {error}") from None
        claims = token.get("userinfo") or {}
        name = claims.get(self._settings.claim)
        if self._settings.claim == "email" and claims.get("email_verified") not in _VERIFIED:
            raise UnverifiedAddressError("the provider does not call the e-mail address verified (email_verified)")
        if not isinstance(name, str) or not name:
            raise IdentityProviderError(f"the provider's token has no claim {self._settings.claim}")
        return name.lower()
