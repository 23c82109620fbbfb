"""Signing in and out, and the one thing of a station that is not public."""

import logging
from collections.abc import Awaitable
from pathlib import Path
from typing import Annotated, TypeVar

import psycopg
from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from gateway.access.accounts import Accounts, SignIn
from gateway.access.authentication import Doorkeeper, shown
from gateway.access.authorization import from_our_own_page, identity_of, permit
from gateway.access.identity import Scope
from gateway.access.identity_provider import Provider, ProviderError
from gateway.access.telemetry import SIGN_INS

T = TypeVar("T")

_LOG = logging.getLogger(__name__)
_PAGE = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
).get_template("account.html")
_ROLES = {"resident": "bewoner", "inspector": "inspecteur", "operator": "beheerder", "admin": "hoofdbeheerder"}
_WRONG = "Naam, wachtwoord of code klopt niet. Na vijf pogingen wacht u een kwartier."
_UNVOUCHED = "Inloggen via uw organisatie is niet gelukt, of u heeft hier geen account."


class Desk:
    """Everything the routes need, once an application."""

    def __init__(
        self,
        accounts: Accounts,
        doorkeeper: Doorkeeper,
        provider: Provider | None,
        *,
        cookie: str,
        public_url: str,
        seconds: float,
    ) -> None:
        self._accounts, self._doorkeeper, self._provider = accounts, doorkeeper, provider
        self._cookie, self._url, self._seconds = cookie, public_url.rstrip("/"), seconds

    def router(self) -> APIRouter:
        """All of them; none belongs to the public API's description."""
        routes = APIRouter(include_in_schema=False)
        routes.add_api_route("/account", self.account, methods=["GET"])
        routes.add_api_route("/account/sign-in", self.sign_in, methods=["POST"])
        routes.add_api_route("/account/sign-out", self.sign_out, methods=["POST"])
        routes.add_api_route("/api/v1/account", self.who, methods=["GET"])
        routes.add_api_route("/api/v1/stations/{id}/exact-location", self.exact_location, methods=["GET"])
        if self._provider is not None:
            routes.add_api_route("/account/provider", self.to_provider, methods=["GET"])
            routes.add_api_route("/account/provider/back", self.from_provider, methods=["GET"])
        return routes

    async def account(self, request: Request) -> HTMLResponse:
        """Who you are, or the form."""
        return self._page(request)

    async def sign_in(
        self,
        request: Request,
        name: Annotated[str, Form(max_length=127)],
        password: Annotated[str, Form(max_length=1_024)],
        code: Annotated[str, Form(max_length=16)],
    ) -> Response:
        """Name, password and code; the reason for a refusal is in the audit log only."""
        self._from_our_own_page(request)
        wanted = name.strip().lower()
        outcome, token = await _trying(self._accounts.sign_in(wanted, password, code, self._seconds))
        return await self._signed_in(request, wanted, outcome, token, _WRONG)

    async def sign_out(self, request: Request) -> Response:
        """End the session here and in the database."""
        self._from_our_own_page(request)
        credential = shown(request.headers, self._cookie)
        if credential is not None and not credential.is_key:
            await self._accounts.end_session(credential.text)
            self._doorkeeper.forget(credential)
        answer = RedirectResponse("/account", 303)
        answer.delete_cookie(self._cookie, path="/", secure=self._secure, httponly=True, samesite="lax")
        return answer

    async def to_provider(self, request: Request) -> Response:
        """Off to the organisation's own page."""
        if self._provider is None:
            raise HTTPException(404, "there is no provider")
        try:
            return await self._provider.send_there(request, f"{self._url}/account/provider/back")
        except ProviderError as error:
            _LOG.warning("%s", error)
            return self._page(request, said=_UNVOUCHED, status=502)

    async def from_provider(self, request: Request) -> Response:
        """Back from there."""
        if self._provider is None:
            raise HTTPException(404, "there is no provider")
        try:
            name = await self._provider.vouched(request)
        except ProviderError as error:
            _LOG.warning("%s", error)
            SIGN_INS.labels("not_vouched").inc()
            return self._page(request, said=_UNVOUCHED, status=403)
        outcome, token = await _trying(self._accounts.sign_in_as(name, self._seconds))
        return await self._signed_in(request, name, outcome, token, _UNVOUCHED)

    async def who(self, request: Request) -> dict[str, object]:
        """For programs: whose key this is and what it may do."""
        identity = identity_of(request)
        if identity is None:
            raise HTTPException(401, "sign in, or send a key", {"WWW-Authenticate": "Bearer"})
        return {
            "name": identity.name,
            "role": identity.role.value,
            "scopes": sorted(scope.value for scope in identity.scopes),
            "areas": sorted(identity.areas),
        }

    async def exact_location(self, request: Request, id: str) -> dict[str, object]:  # noqa: A002 - the path's word
        """Where a node really stands. Homes are personal data: every look is put down."""
        rows = await _trying(self._accounts.rows("exact_location", id=id))
        area, latitude, longitude = rows[0] if rows else (None, None, None)
        await permit(request, Scope.READ_EXACT_LOCATION, f"station {id}", None if area is None else str(area))
        if not rows:
            raise HTTPException(404, f"there is no station {id[:80]!r}")
        return {"station": id, "latitude": latitude, "longitude": longitude}

    @property
    def _secure(self) -> bool:
        return self._url.startswith("https:")

    async def _signed_in(
        self, request: Request, name: str, outcome: SignIn, token: str | None, refusal: str
    ) -> Response:
        address = getattr(request.state, "address", "")
        SIGN_INS.labels(outcome.value).inc()
        await _trying(self._accounts.audit(name, "sign-in", "", address=address, outcome=outcome.value))
        if token is None:
            return self._page(request, said=refusal, status=403)
        answer = RedirectResponse("/account", 303)
        answer.set_cookie(
            self._cookie, token, int(self._seconds), path="/", secure=self._secure, httponly=True, samesite="lax"
        )
        return answer

    def _page(self, request: Request, *, said: str = "", status: int = 200) -> HTMLResponse:
        identity, provider = identity_of(request), self._provider is not None
        return HTMLResponse(
            _PAGE.render(identity=identity, said=said, provider=provider, roles=_ROLES, answers=Scope.ANSWER_ALERTS),
            status,
        )

    def _from_our_own_page(self, request: Request) -> None:
        from_our_own_page(request, self._url)


async def _trying(asked: Awaitable[T]) -> T:
    try:
        return await asked
    except psycopg.OperationalError:
        raise HTTPException(503, "the database does not answer; try again", {"Retry-After": "5"}) from None
