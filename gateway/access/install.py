"""Install the access middleware and the account routes into the API's application. Called by gateway/api/app.py."""

from collections.abc import Sequence

from fastapi import FastAPI

from gateway.access.accounts import Accounts
from gateway.access.attempt_delays import SignInLimit
from gateway.access.authentication import Authenticator
from gateway.access.identity_provider import IdentityProvider
from gateway.access.middleware import AccessMiddleware
from gateway.access.passkey_check import find_passkey_site
from gateway.access.passkey_routes import PasskeyRoutes
from gateway.access.passkey_store import PasskeyStore
from gateway.access.rate_limit import AnonymousLimit
from gateway.access.routes import AccountRoutes
from gateway.access.session_cookie import SessionCookie
from gateway.access.settings import AccessSettings, OidcSettings


def install_access(
    app: FastAPI, settings: AccessSettings, dsn: str, *, public_url: str, proxies: Sequence[str]
) -> None:
    """Install before other middleware, so that rejections get the headers of every answer."""
    accounts = Accounts(dsn)
    authenticator = Authenticator(accounts)
    secure = public_url.startswith("https:")
    cookie = "__Host-piekwacht" if secure else "piekwacht"
    provider = _install_provider(app, settings.oidc, secure=secure) if settings.oidc else None
    session_cookie = SessionCookie(
        accounts, authenticator, name=cookie, is_secure=secure, seconds=settings.session_seconds
    )
    limit, site = SignInLimit(), find_passkey_site(public_url)
    passkeys = PasskeyStore(accounts) if site is not None else None
    account_routes = AccountRoutes(
        accounts, provider, passkeys, cookie=session_cookie, public_url=public_url, limit=limit
    )
    anonymous_limit = AnonymousLimit(settings.requests_per_minute, proxies)
    app.state.accounts, app.state.anonymous_limit = accounts, anonymous_limit
    app.router.routes += account_routes.router().routes
    if site is not None and passkeys is not None:
        passkey_routes = PasskeyRoutes(accounts, passkeys, site, cookie=session_cookie, limit=limit)
        app.router.routes += passkey_routes.router().routes
    app.add_middleware(
        AccessMiddleware,
        settings=settings,
        authenticator=authenticator,
        anonymous_limit=anonymous_limit,
        cookie=cookie,
        public_url=public_url,
    )


def _install_provider(app: FastAPI, settings: OidcSettings, *, secure: bool) -> IdentityProvider:
    """Install the provider and its cookie, which holds state and nonce, signed, for ten minutes."""
    from starlette.middleware.sessions import SessionMiddleware  # noqa: PLC0415 - loaded only if configured

    from gateway.access.oidc import OidcProvider  # noqa: PLC0415 - loaded only if configured

    provider = OidcProvider(settings)
    app.add_middleware(
        SessionMiddleware,
        secret_key=provider.cookie_secret,
        session_cookie="__Host-piekwacht-signing-in" if secure else "piekwacht-signing-in",
        max_age=600,
        same_site="lax",
        https_only=secure,
    )
    return provider
