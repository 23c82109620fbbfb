"""Put guard and desk into an application: the one line that the public face needs."""

from collections.abc import Sequence

from fastapi import FastAPI

from gateway.access.accounts import Accounts
from gateway.access.authentication import Doorkeeper
from gateway.access.identity_provider import Provider
from gateway.access.middleware import Guard
from gateway.access.routes import Desk
from gateway.access.settings import AccessSettings, OidcSettings


def install(app: FastAPI, settings: AccessSettings, dsn: str, *, public_url: str, proxies: Sequence[str]) -> None:
    """To be called before other middleware is added, so that a refusal carries the headers of every answer."""
    accounts = Accounts(dsn)
    doorkeeper = Doorkeeper(accounts)
    secure = public_url.startswith("https:")
    cookie = "__Host-piekwacht" if secure else "piekwacht"
    provider = _provider(app, settings.oidc, secure=secure) if settings.oidc else None
    desk = Desk(accounts, doorkeeper, provider, cookie=cookie, public_url=public_url, seconds=settings.session_seconds)
    app.state.accounts = accounts
    app.include_router(desk.router())
    app.add_middleware(Guard, settings=settings, doorkeeper=doorkeeper, cookie=cookie, proxies=proxies)


def _provider(app: FastAPI, settings: OidcSettings, *, secure: bool) -> Provider:
    """Its libraries are loaded only where there is one. The signed cookie holds state and nonce for ten minutes."""
    from starlette.middleware.sessions import SessionMiddleware  # noqa: PLC0415

    from gateway.access.oidc import OidcProvider  # noqa: PLC0415

    provider = OidcProvider(settings)
    app.add_middleware(
        SessionMiddleware,
        secret_key=provider.cookie_secret,
        session_cookie="piekwacht-signing-in",
        max_age=600,
        path="/account",
        same_site="lax",
        https_only=secure,
    )
    return provider
