"""Routes for signing in and out, and for the exact location of a station, which is not public."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from alerting.errors import one_line
from alerting.log import get_logger
from alerting.vocabulary import LOCAL_TIMEZONE
from gateway.access.accounts import Accounts, SignInOutcome
from gateway.access.attempt_delays import SignInLimit
from gateway.access.authorization import identity_of, require_scope
from gateway.access.database_errors import await_database
from gateway.access.identity import Scope
from gateway.access.identity_provider import IdentityProvider, IdentityProviderError, UnverifiedAddressError
from gateway.access.language import account_address, account_texts, language_of
from gateway.access.passkey_store import PasskeyListing, PasskeyStore
from gateway.access.password_worker import BUSY_SECONDS, WorkerBusyError
from gateway.access.rate_limit import rate_limit_key
from gateway.access.return_address import check_return_path
from gateway.access.session_cookie import SessionCookie
from gateway.access.telemetry import SIGN_INS

_LOG = get_logger("gateway.access")
_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
)
_TEMPLATES.filters["date"] = lambda at: f"{at.astimezone(LOCAL_TIMEZONE):%d-%m-%Y}"
_ACCOUNT_TEMPLATE = _TEMPLATES.get_template("account.html")
_RETURN_PATH = "return_path"  # key in the signed cookie of the provider


class AccountRoutes:
    """The routes with their dependencies, one instance per application."""

    def __init__(
        self,
        accounts: Accounts,
        provider: IdentityProvider | None,
        passkeys: PasskeyStore | None,
        *,
        cookie: SessionCookie,
        public_url: str,
        limit: SignInLimit,
    ) -> None:
        self._accounts, self._provider = accounts, provider
        self._cookie, self._url, self._limit = cookie, public_url.rstrip("/"), limit
        self._passkeys = passkeys

    def router(self) -> APIRouter:
        """Return all routes; the public API description leaves them out."""
        routes = APIRouter(include_in_schema=False)
        routes.add_api_route("/account", self.show_account, methods=["GET"])
        routes.add_api_route("/account/sign-in", self.sign_in, methods=["POST"])
        routes.add_api_route("/account/sign-out", self.sign_out, methods=["POST"])
        routes.add_api_route("/api/v1/account", self.show_identity, methods=["GET"])
        routes.add_api_route("/api/v1/stations/{id}/exact-location", self.show_exact_location, methods=["GET"])
        if self._provider is not None:
            routes.add_api_route("/account/provider", self.redirect_to_provider, methods=["GET"])
            routes.add_api_route("/account/provider/back", self.return_from_provider, methods=["GET"])
        return routes

    async def show_account(self, request: Request, to: Annotated[str, Query(max_length=2_000)] = "") -> Response:
        """Show the account page: the identity, or the sign-in form. `to`: the page that follows after signing in."""
        path, identity = check_return_path(to), identity_of(request)
        if path and identity is not None:
            return RedirectResponse(path, 303)
        if identity is None or self._passkeys is None or identity.key_id is not None:
            return self._render_page(request, to=path)
        listings = await await_database(self._passkeys.list_of(identity.name))
        return self._render_page(request, listings=listings)

    async def sign_in(
        self,
        request: Request,
        name: Annotated[str, Form(max_length=127)],
        password: Annotated[str, Form(max_length=1_024)],
        code: Annotated[str, Form(max_length=16)],
        to: Annotated[str, Form(max_length=2_000)] = "",
    ) -> Response:
        """Sign in by name, password and code; only the audit log has the reason of a rejection."""
        account_name, client = name.strip().lower(), rate_limit_key(getattr(request.state, "address", ""))
        try:
            with self._accounts.reserve_sign_in():
                wait = self._limit.take_attempt(client, account_name, time.monotonic())
                if wait:
                    return self._refuse_attempt(request, wait, to)
                outcome, token = await await_database(
                    self._accounts.sign_in(account_name, password, code, self._cookie.seconds)
                )
        except WorkerBusyError:
            return self._refuse_attempt(request, BUSY_SECONDS, to)
        if token is not None:
            self._limit.record_success(client, account_name, time.monotonic())
        return await self._sign_in_response(request, account_name, outcome, token, "wrong_credentials", to=to)

    async def sign_out(self, request: Request) -> Response:
        """End the session in the cache and in the database."""
        await await_database(self._cookie.end_session(request))
        response = RedirectResponse(account_address(request), 303)
        self._cookie.delete(response)
        return response

    async def redirect_to_provider(
        self, request: Request, to: Annotated[str, Query(max_length=2_000)] = ""
    ) -> Response:
        """Redirect to the sign-in page of the organisation."""
        if self._provider is None:
            raise HTTPException(404, "no identity provider is configured")
        request.session[_RETURN_PATH] = check_return_path(to)
        try:
            return await self._provider.redirect_to_provider(request, f"{self._url}/account/provider/back")
        except IdentityProviderError as error:
            _LOG.warning("identity provider failed", error=one_line(error))
            return self._render_page(request, notice="provider_failed", status=502)

    async def return_from_provider(self, request: Request) -> Response:
        """Sign in after the provider has authenticated the person."""
        if self._provider is None:
            raise HTTPException(404, "no identity provider is configured")
        try:
            name = await self._provider.fetch_account_name(request)
        except IdentityProviderError as error:
            _LOG.warning("identity provider failed", error=one_line(error))
            SIGN_INS.labels("not_vouched").inc()
            notice = "unverified_address" if isinstance(error, UnverifiedAddressError) else "provider_failed"
            return self._render_page(request, notice=notice, status=403)
        outcome, token = await await_database(self._accounts.sign_in_as(name, self._cookie.seconds))
        to = str(request.session.pop(_RETURN_PATH, ""))
        return await self._sign_in_response(request, name, outcome, token, "provider_failed", to=to)

    async def show_identity(self, request: Request) -> dict[str, object]:
        """Return name, role, scopes and areas of the key or session, for programs."""
        identity = identity_of(request)
        if identity is None:
            raise HTTPException(401, "sign in, or send a key", {"WWW-Authenticate": "Bearer"})
        return {
            "name": identity.name,
            "role": identity.role.value,
            "scopes": sorted(scope.value for scope in identity.scopes),
            "areas": sorted(identity.areas),
        }

    async def show_exact_location(self, request: Request, id: str) -> dict[str, object]:  # noqa: A002 - the name in the path
        """Return the exact location of a station. Addresses of homes are personal data: every request is audited."""
        location = await await_database(self._accounts.find_exact_location(id))
        await require_scope(request, Scope.READ_EXACT_LOCATION, f"station {id}", location.area if location else None)
        if location is None:
            raise HTTPException(404, f"there is no station {id[:80]!r}")
        return {"station": id, "latitude": location.latitude, "longitude": location.longitude}

    async def _sign_in_response(
        self, request: Request, name: str, outcome: SignInOutcome, token: str | None, refusal: str, *, to: str
    ) -> Response:
        address = getattr(request.state, "address", "")
        SIGN_INS.labels(outcome.value).inc()
        await await_database(self._accounts.record_audit(name, "sign-in", "", address=address, outcome=outcome.value))
        if token is None:
            return self._render_page(request, notice=refusal, status=403, to=to)
        # an earlier session of this browser ends; its id is never used again
        await await_database(self._cookie.end_session(request))
        response = RedirectResponse(check_return_path(to) or account_address(request), 303)
        self._cookie.set(response, token)
        return response

    def _render_page(
        self,
        request: Request,
        *,
        notice: str = "",
        status: int = 200,
        to: str = "",
        seconds: str = "",
        listings: Sequence[PasskeyListing] | None = None,
    ) -> HTMLResponse:
        to = check_return_path(to)
        language = language_of(request, to)
        texts = account_texts(language)
        page = _ACCOUNT_TEMPLATE.render(
            t=texts,
            language=language,
            other="en" if language == "nl" else "nl",
            identity=identity_of(request),
            notice=texts[notice].format(seconds=seconds) if notice else "",
            provider=self._provider is not None,
            scopes=Scope,
            has_passkeys=self._passkeys is not None,
            listings=listings,
            site=self._url,
            to=to,
        )
        headers = {"Content-Language": language, "Vary": "Accept-Language, Cookie"}
        return HTMLResponse(page, status, headers)

    def _refuse_attempt(self, request: Request, wait: float, to: str) -> HTMLResponse:
        """Answer 429. It is counted but not audited: a flood must not fill the audit log."""
        SIGN_INS.labels("too_many_attempts").inc()
        seconds = str(int(wait) + 1)
        response = self._render_page(request, notice="too_many", seconds=seconds, status=429, to=to)
        response.headers["Retry-After"] = seconds
        return response
