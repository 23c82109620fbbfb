"""Routes of passkeys (WebAuthn): sign in with one, add one, remove one. The script of the account page calls them.

A refusal is a problem document with one sentence in the language of the page, which shows it as it is. The audit log
has the outcome.
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NoReturn, TypeVar

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from msgspec import DecodeError, Struct, json

from alerting.vocabulary import Language
from gateway.access.accounts import Accounts
from gateway.access.attempt_delays import SignInLimit
from gateway.access.authentication import find_cookie
from gateway.access.authorization import identity_of
from gateway.access.credentials import hash_token
from gateway.access.database_errors import await_database
from gateway.access.identity import Identity
from gateway.access.language import account_address, account_texts, language_of
from gateway.access.passkey_challenge import (
    CHALLENGE_SECONDS,
    ChallengePurpose,
    derive_challenge,
    derive_user_handle,
    new_challenge_cookie,
)
from gateway.access.passkey_check import (
    Ceremony,
    PasskeyOutcome,
    PasskeySite,
    build_registration_options,
    build_sign_in_options,
)
from gateway.access.passkey_store import FRESH_SECONDS, MAX_PASSKEYS, PasskeyStore
from gateway.access.rate_limit import rate_limit_key
from gateway.access.session_cookie import SessionCookie
from gateway.access.telemetry import SIGN_INS

Document = TypeVar("Document", bound=Struct)

_MAX_NAME = 60  # characters, as the table checks
_NO_ACCOUNT = " passkey"  # no account has this name; attempts with a passkey count together per address
_FRESH_MINUTES = int(FRESH_SECONDS // 60)


class _SignIn(Struct, frozen=True, kw_only=True):
    credential: dict[str, object]


class _Registration(Struct, frozen=True, kw_only=True):
    name: str
    credential: dict[str, object]


class PasskeyRoutes:
    """The routes with their dependencies, one instance per application; only for a site that can have passkeys."""

    def __init__(
        self, accounts: Accounts, store: PasskeyStore, site: PasskeySite, *, cookie: SessionCookie, limit: SignInLimit
    ) -> None:
        self._accounts, self._store, self._site, self._limit = accounts, store, site, limit
        self._session_cookie = cookie
        self._challenge_cookie = "__Host-piekwacht-passkey" if cookie.is_secure else "piekwacht-passkey"

    def router(self) -> APIRouter:
        """Return all routes; the public API description leaves them out."""
        routes = APIRouter(include_in_schema=False)
        routes.add_api_route("/account/passkey/options", self.send_sign_in_options, methods=["POST"])
        routes.add_api_route("/account/passkey/sign-in", self.sign_in, methods=["POST"])
        routes.add_api_route("/account/passkeys/options", self.send_registration_options, methods=["POST"])
        routes.add_api_route("/account/passkeys", self.register, methods=["POST"])
        routes.add_api_route("/account/passkeys/{id}/remove", self.remove, methods=["POST"])
        return routes

    async def send_sign_in_options(self) -> Response:
        """Send the options for navigator.credentials.get() and the cookie that its challenge belongs to."""
        cookie, ceremony = await self._begin(ChallengePurpose.SIGN_IN)
        return self._send_options(build_sign_in_options(ceremony), cookie)

    async def sign_in(self, request: Request) -> Response:
        """Sign in with a passkey; the answer names the page to open."""
        document = await _read_document(request, _SignIn)
        client = rate_limit_key(getattr(request.state, "address", ""))
        wait = self._limit.take_attempt(client, _NO_ACCOUNT, time.monotonic())
        if wait:
            self._refuse_attempt(request, wait)
        ceremony = await self._resume(request, ChallengePurpose.SIGN_IN)
        if ceremony is None:
            await self._refuse(request, PasskeyOutcome.NO_CHALLENGE, action="sign-in")
        result = await await_database(self._store.sign_in(document.credential, ceremony, self._session_cookie.seconds))
        if result.token is None:
            await self._refuse(request, result.outcome, action="sign-in", actor=result.account, passkey=result.passkey)
        self._limit.record_success(client, _NO_ACCOUNT, time.monotonic())
        await self._record(request, result.account, "sign-in", result.passkey, result.outcome)
        await await_database(self._session_cookie.end_session(request))
        response = self._send_location(request)
        self._session_cookie.set(response, result.token)
        return response

    async def send_registration_options(self, request: Request) -> Response:
        """Send the options for navigator.credentials.create(), for the account of this session."""
        identity, token = self._require_session(request)
        refusal = await await_database(self._store.check_owner(token))
        if refusal is not None:
            await self._refuse(request, refusal, action="add passkey", actor=identity.name)
        cookie, ceremony = await self._begin(ChallengePurpose.REGISTER, token)
        user_handle = derive_user_handle(await self._store.fetch_secret(), identity.name)
        excluded = await await_database(self._store.list_credential_ids(identity.name))
        options = build_registration_options(ceremony, identity.name, user_handle, excluded)
        return self._send_options(options, cookie)

    async def register(self, request: Request) -> Response:
        """Add the passkey that the device made."""
        identity, token = self._require_session(request)
        document = await _read_document(request, _Registration)
        name = " ".join(document.name.split())
        if not 1 <= len(name) <= _MAX_NAME or not name.isprintable():
            raise HTTPException(422, _text(request, "passkey_name_length", most=_MAX_NAME))
        ceremony = await self._resume(request, ChallengePurpose.REGISTER, token)
        if ceremony is None:
            await self._refuse(request, PasskeyOutcome.NO_CHALLENGE, action="add passkey", actor=identity.name)
        outcome, id_ = await await_database(
            self._store.register(identity.name, name, token, document.credential, ceremony)
        )
        if outcome is not PasskeyOutcome.REGISTERED:
            await self._refuse(request, outcome, action="add passkey", actor=identity.name)
        await self._record(request, identity.name, "add passkey", id_, outcome)
        return self._send_location(request)

    async def remove(self, request: Request, id: str) -> Response:  # noqa: A002 - the name in the path
        """Remove a passkey of the account of this session; the page then shows the rest."""
        identity, _ = self._require_session(request)
        is_removed = await await_database(self._store.remove(id, identity.name))
        outcome = "removed" if is_removed else "unknown_passkey"
        await self._audit(request, identity.name, "remove passkey", id, outcome)
        return RedirectResponse(account_address(request), 303)

    async def _begin(self, purpose: ChallengePurpose, session_token: str = "") -> tuple[str, Ceremony]:
        now = datetime.now(UTC)
        cookie = new_challenge_cookie(now)
        ceremony = await self._derive(purpose, cookie, session_token, now)
        if ceremony is None:
            raise HTTPException(503, "the clock of this server changed; try again", {"Retry-After": "5"})
        return cookie, ceremony

    async def _resume(self, request: Request, purpose: ChallengePurpose, session_token: str = "") -> Ceremony | None:
        cookie = find_cookie(request.headers.getlist("cookie"), self._challenge_cookie)
        return await self._derive(purpose, cookie, session_token, datetime.now(UTC))

    async def _derive(
        self, purpose: ChallengePurpose, cookie: str, session_token: str, now: datetime
    ) -> Ceremony | None:
        secret = await await_database(self._store.fetch_secret())
        binding = hash_token(session_token).hex() if session_token else ""
        challenge = derive_challenge(secret, purpose, cookie, now, binding=binding)
        return None if challenge is None else Ceremony(site=self._site, challenge=challenge)

    def _require_session(self, request: Request) -> tuple[Identity, str]:
        identity, token = identity_of(request), self._session_cookie.read_token(request)
        if identity is None or token is None:
            raise HTTPException(401, _text(request, "not_signed_in"))
        return identity, token

    def _send_options(self, options: Mapping[str, object], cookie: str) -> Response:
        response = JSONResponse(options)
        response.set_cookie(
            self._challenge_cookie,
            cookie,
            CHALLENGE_SECONDS,
            path="/",
            secure=self._session_cookie.is_secure,
            httponly=True,
            samesite="strict",
        )
        return response

    def _send_location(self, request: Request) -> Response:
        response = JSONResponse({"location": account_address(request)})
        response.delete_cookie(
            self._challenge_cookie,
            path="/",
            secure=self._session_cookie.is_secure,
            httponly=True,
            samesite="strict",
        )
        return response

    async def _refuse(
        self, request: Request, outcome: PasskeyOutcome, *, action: str, actor: str = "", passkey: str = ""
    ) -> NoReturn:
        await self._record(request, actor, action, passkey, outcome)
        raise HTTPException(403, describe_refusal(outcome, language_of(request)))

    @staticmethod
    def _refuse_attempt(request: Request, wait: float) -> NoReturn:
        """Answer 429. It is counted but not audited: a flood must not fill the audit log."""
        SIGN_INS.labels("too_many_attempts").inc()
        seconds = str(int(wait) + 1)
        raise HTTPException(429, _text(request, "too_many", seconds=seconds), {"Retry-After": seconds})

    async def _record(self, request: Request, actor: str, action: str, passkey: str, outcome: PasskeyOutcome) -> None:
        if action == "sign-in":
            SIGN_INS.labels(outcome.value).inc()
        await self._audit(request, actor, action, passkey, outcome.value)

    async def _audit(self, request: Request, actor: str, action: str, passkey: str, outcome: str) -> None:
        object_ = f"passkey {passkey}".strip()
        address = getattr(request.state, "address", "")
        await await_database(
            self._accounts.record_audit(actor or "unknown", action, object_, address=address, outcome=outcome)
        )


async def _read_document(request: Request, kind: type[Document]) -> Document:
    try:
        return json.decode(await request.body(), type=kind)
    except (DecodeError, RecursionError):
        raise HTTPException(422, _text(request, "passkey_malformed")) from None


def describe_refusal(outcome: PasskeyOutcome, language: Language) -> str:
    """Return the sentence for people about a passkey that is refused."""
    return account_texts(language)[f"passkey_{outcome.value}"].format(minutes=_FRESH_MINUTES, most=MAX_PASSKEYS)


def _text(request: Request, key: str, **values: object) -> str:
    return account_texts(language_of(request))[key].format(**values)
