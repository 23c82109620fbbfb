"""Accounts, sessions, keys and the audit log in the database.

Each call opens a connection: signing in is rare, and a session or key is looked up at most every few
seconds (see `authentication`). Neither ingest nor a public page calls this module.
"""

import asyncio
import hmac
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from msgspec import Struct, convert
from psycopg.rows import class_row, kwargs_row

from alerting.sql import load_queries
from gateway.access import credentials
from gateway.access.identity import Identity, Role, Scope, narrow_identity, scopes_of
from gateway.access.password_worker import PasswordWorker

_QUERIES = load_queries(Path(__file__).with_name("queries.sql"))
T = TypeVar("T")

_ACCOUNT_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,126}")  # as the table checks
_MAX_CODE_ATTEMPTS = 50  # per account, of anybody who has its password
_CODE_ATTEMPTS_PERIOD = 3_600.0  # s
_MAX_CONNECTIONS = 8  # at once; more requests wait for one of these


class SignInOutcome(StrEnum):
    """Outcome of an attempt to sign in; people see only whether it succeeded."""

    SIGNED_IN = "signed_in"
    UNKNOWN = "unknown"
    DISABLED = "disabled"
    WRONG_PASSWORD = "wrong_password"  # noqa: S105 - an outcome, no password
    WRONG_CODE = "wrong_code"
    TOO_MANY_CODES = "too_many_codes"


class Account(Struct, frozen=True, kw_only=True):
    """An account, to check an attempt to sign in."""

    name: str
    role: Role
    areas: list[str]
    password_hash: str | None
    totp_secret: str | None
    totp_used: int
    disabled_at: datetime | None


class AccountListing(Struct, frozen=True, kw_only=True):
    """An account, as `piekwacht access list` prints it."""

    name: str
    role: str
    areas: list[str]
    has_password: bool
    has_totp: bool
    disabled_at: datetime | None


class KeyListing(Struct, frozen=True, kw_only=True):
    """An API key, as `piekwacht access list` prints it."""

    id: str
    account: str
    scopes: list[str]
    areas: list[str]
    purpose: str
    expires_at: datetime
    revoked_at: datetime | None


class AuditEntry(Struct, frozen=True, kw_only=True):
    """One entry of the audit log. `before` and `after`: the fields that an act of an operator changed."""

    at: datetime
    who: str
    action: str
    object: str
    address: str
    outcome: str
    area: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class ExactLocation(Struct, frozen=True, kw_only=True):
    """Area and unrounded position of a station, in degrees WGS 84."""

    area: str
    latitude: float
    longitude: float


class _SessionAccount(Struct, frozen=True, kw_only=True):
    name: str
    role: str
    areas: list[str]


class _KeyRow(_SessionAccount, frozen=True, kw_only=True):
    scopes: list[str]
    key_areas: list[str]
    secret_sha256: bytes


def check_password(account: Account | None, *, password_matches: bool) -> SignInOutcome | None:
    """Return why signing in ends before the code is judged, or None. Pure."""
    if account is None:
        return SignInOutcome.UNKNOWN
    if account.disabled_at is not None:
        return SignInOutcome.DISABLED
    return None if password_matches else SignInOutcome.WRONG_PASSWORD


class Accounts:
    """The tables of the schema `access`."""

    def __init__(self, dsn: str) -> None:
        self._dsn, self._password_worker = dsn, PasswordWorker()
        self._connections = asyncio.Semaphore(_MAX_CONNECTIONS)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[psycopg.AsyncConnection]:
        """A transaction on a separate connection; at most eight at once. Raises psycopg.OperationalError."""
        async with (
            self._connections,
            await psycopg.AsyncConnection.connect(
                self._dsn, connect_timeout=5, application_name="piekwacht access"
            ) as connection,
        ):
            yield connection

    async def put_account(self, name: str, role: Role, areas: Iterable[str], password: str | None) -> str | None:
        """Create or change an account; return the secret of its second factor if it has a password.

        A new password removes the account's passkeys: a person who knew the former one may have added one.
        """
        totp = credentials.new_totp_secret() if password is not None else None
        values = {
            "name": name,
            "role": role.value,
            "areas": sorted(areas),
            "password_hash": credentials.hash_password(password) if password is not None else None,
            "totp_secret": totp,
        }
        async with self.transaction() as tx:
            await tx.execute(_QUERIES["put_account"], values)
            await tx.execute(_QUERIES["end_sessions"], {"name": name})
            if password is not None:
                await tx.execute(_QUERIES["remove_passkeys_of"], {"name": name})
        return totp

    async def disable_account(self, name: str) -> bool:
        """Disable an account with its sessions and keys; False if there is no such enabled account."""
        async with self.transaction() as tx:
            result = await tx.execute(_QUERIES["disable_account"], {"name": name})
            await tx.execute(_QUERIES["end_sessions"], {"name": name})
            return result.rowcount > 0

    async def find_account(self, name: str) -> Account | None:
        """Return the account of this name, disabled or not; None also for a text that cannot be a name."""
        if not _ACCOUNT_NAME.fullmatch(name):
            return None
        async with self.transaction() as tx:
            cursor = tx.cursor(row_factory=kwargs_row(_build_account))
            return await (await cursor.execute(_QUERIES["select_account"], {"name": name})).fetchone()

    def reserve_sign_in(self) -> AbstractContextManager[None]:
        """Hold a place in the queue of sign-ins. Raises WorkerBusyError if there is none."""
        return self._password_worker.reserve()

    async def sign_in(
        self, name: str, password: str, code: str, session_seconds: float
    ) -> tuple[SignInOutcome, str | None]:
        """Return the outcome and the new session's token. The caller limits attempts per source."""
        account = await self.find_account(name)
        stored_hash = None if account is None else account.password_hash
        password_matches = await self._password_worker.verify(password, stored_hash)
        refusal = check_password(account, password_matches=password_matches)
        if account is None or refusal is not None:
            return refusal or SignInOutcome.UNKNOWN, None
        async with self.transaction() as tx:
            outcome = await _judge_code(tx, account, code)
            signed_in = outcome is SignInOutcome.SIGNED_IN
            return outcome, await begin_session(tx, name, session_seconds) if signed_in else None

    async def sign_in_as(self, name: str, session_seconds: float) -> tuple[SignInOutcome, str | None]:
        """Sign in a person whom the provider authenticated; the account must exist already."""
        account = await self.find_account(name)
        if account is None:
            return SignInOutcome.UNKNOWN, None
        if account.disabled_at is not None:
            return SignInOutcome.DISABLED, None
        async with self.transaction() as tx:
            return SignInOutcome.SIGNED_IN, await begin_session(tx, name, session_seconds)

    async def find_by_session(self, token: str) -> Identity | None:
        """Return the identity of a valid session, or None."""
        async with self.transaction() as tx:
            cursor = tx.cursor(row_factory=class_row(_SessionAccount))
            values = {"token": credentials.hash_token(token)}
            account = await (await cursor.execute(_QUERIES["select_session_account"], values)).fetchone()
        return None if account is None else _build_identity(account)

    async def end_session(self, token: str) -> None:
        """Delete a session."""
        async with self.transaction() as tx:
            await tx.execute(_QUERIES["end_session"], {"token": credentials.hash_token(token)})

    async def put_key(
        self, name: str, scopes: Iterable[Scope], areas: Iterable[str], *, purpose: str, days: float
    ) -> credentials.ApiKey:
        """Create a key for a program; only its hash is stored."""
        key = credentials.new_api_key()
        values = {
            "id": key.id,
            "secret": credentials.hash_token(key.secret),
            "name": name,
            "scopes": sorted(scope.value for scope in scopes),
            "areas": sorted(areas),
            "purpose": purpose,
            "days": days,
        }
        async with self.transaction() as tx:
            await tx.execute(_QUERIES["put_key"], values)
        return key

    async def revoke_key(self, id_: str) -> bool:
        """Revoke a key; False if there is no such valid key."""
        async with self.transaction() as tx:
            return (await tx.execute(_QUERIES["revoke_key"], {"id": id_})).rowcount > 0

    async def find_by_key(self, text: str) -> Identity | None:
        """Return the identity of a valid key, with its scopes and areas, or None."""
        key = credentials.parse_api_key(text)
        if key is None:
            return None
        async with self.transaction() as tx:
            cursor = tx.cursor(row_factory=class_row(_KeyRow))
            row = await (await cursor.execute(_QUERIES["select_key"], {"id": key.id})).fetchone()
        if row is None or not hmac.compare_digest(row.secret_sha256, credentials.hash_token(key.secret)):
            return None
        return narrow_identity(
            _build_identity(row), frozenset(map(Scope, row.scopes)), frozenset(row.key_areas), key.id
        )

    async def record_audit(self, actor: str, action: str, object_: str, *, address: str, outcome: str) -> None:
        """Record in the audit log who did what."""
        who, audited = _to_printable(actor)[:128], _to_printable(object_)[:256]
        values = {"who": who, "action": action, "object": audited, "address": address, "outcome": outcome}
        async with self.transaction() as tx:
            await tx.execute(_QUERIES["insert_audit"], values)

    async def list_accounts(self) -> list[AccountListing]:
        """Return all accounts by name."""
        return await self._fetch_all(AccountListing, "select_accounts", {})

    async def list_keys(self) -> list[KeyListing]:
        """Return all keys by account."""
        return await self._fetch_all(KeyListing, "select_keys", {})

    async def list_audit(self, limit: int) -> list[AuditEntry]:
        """Return the newest entries of the audit log."""
        return await self._fetch_all(AuditEntry, "select_audit", {"limit": limit})

    async def find_exact_location(self, station: str) -> ExactLocation | None:
        """Return the unrounded location of a station, or None."""
        locations = await self._fetch_all(ExactLocation, "select_exact_location", {"id": station})
        return locations[0] if locations else None

    async def _fetch_all(self, kind: type[T], query: str, values: Mapping[str, object]) -> list[T]:
        async with self.transaction() as tx:
            return await (await tx.cursor(row_factory=class_row(kind)).execute(_QUERIES[query], values)).fetchall()


async def _judge_code(tx: psycopg.AsyncConnection, account: Account, code: str) -> SignInOutcome:
    """Count the attempt, then judge the code. The count is stored also if the code is wrong."""
    limits = {"max_attempts": _MAX_CODE_ATTEMPTS, "period_seconds": _CODE_ATTEMPTS_PERIOD}
    row = await (await tx.execute(_QUERIES["take_code_attempt"], {"name": account.name, **limits})).fetchone()
    if row is None:
        return SignInOutcome.TOO_MANY_CODES
    (totp_used,) = row
    step = credentials.match_totp_step(account.totp_secret, code, datetime.now(UTC), totp_used)
    if step is None:
        return SignInOutcome.WRONG_CODE
    await tx.execute(_QUERIES["record_totp_step"], {"name": account.name, "step": step})
    await tx.execute(_QUERIES["reset_code_attempts"], {"name": account.name})
    return SignInOutcome.SIGNED_IN


async def begin_session(tx: psycopg.AsyncConnection, name: str, session_seconds: float) -> str:
    """Store a session of an account in the caller's transaction; return its token."""
    token = credentials.new_session_token()
    await tx.execute(_QUERIES["delete_expired_sessions"])
    values = {"token": credentials.hash_token(token), "name": name, "seconds": session_seconds}
    await tx.execute(_QUERIES["begin_session"], values)
    return token


def _to_printable(text: str) -> str:
    """Names that strangers type get into the log: without characters that a terminal obeys or a database refuses."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _build_identity(account: _SessionAccount) -> Identity:
    role = Role(account.role)
    return Identity(name=account.name, role=role, scopes=scopes_of(role), areas=frozenset(account.areas))


def _build_account(**columns: object) -> Account:
    return convert(columns, Account)
