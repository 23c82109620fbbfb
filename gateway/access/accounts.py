"""Accounts, sessions, keys and the audit log in the database.

A connection a call: signing in is rare, and what carries a session or a key is looked up at most
every few seconds (see `doorkeeper`). Nothing here is on the way of a reading or a public page.
"""

import hmac
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import psycopg
from msgspec import Struct, convert

from alerting.sql import load_queries
from gateway.access import credentials
from gateway.access.identity import Identity, Role, Scope, narrow_identity, scopes_of

_QUERIES = load_queries(Path(__file__).with_name("queries.sql"))
_MAX_FAILURES = 5
_LOCK_SECONDS = 900


class SignInOutcome(StrEnum):
    """How an attempt to sign in ended; people are told only whether it worked."""

    SIGNED_IN = "signed_in"
    UNKNOWN = "unknown"
    DISABLED = "disabled"
    LOCKED = "locked"
    WRONG_PASSWORD = "wrong_password"  # noqa: S105 - a reason
    WRONG_CODE = "wrong_code"


class Account(Struct, frozen=True, kw_only=True):
    """One row."""

    name: str
    role: Role
    areas: list[str]
    password_hash: str | None
    totp_secret: str | None
    totp_used: int
    failures: int
    locked_until: datetime | None
    disabled_at: datetime | None


def check_sign_in(account: Account | None, password: str, code: str, now: datetime) -> tuple[SignInOutcome, int | None]:
    """(how it ended, the time step of the code where it worked). Pure, and as slow for who is not there."""
    password_matches = credentials.verify_password(password, account.password_hash if account else None)
    if account is None:
        return SignInOutcome.UNKNOWN, None
    if account.disabled_at is not None:
        return SignInOutcome.DISABLED, None
    if account.locked_until is not None and account.locked_until > now:
        return SignInOutcome.LOCKED, None
    if not password_matches:
        return SignInOutcome.WRONG_PASSWORD, None
    step = (
        credentials.match_totp_step(account.totp_secret, code, now, account.totp_used) if account.totp_secret else None
    )
    return (SignInOutcome.SIGNED_IN, step) if step is not None else (SignInOutcome.WRONG_CODE, None)


class Accounts:
    """The tables of the schema `access`."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[psycopg.AsyncConnection]:
        async with await psycopg.AsyncConnection.connect(
            self._dsn, connect_timeout=5, application_name="piekwacht access"
        ) as connection:
            yield connection

    async def put_account(self, name: str, role: Role, areas: Iterable[str], password: str | None) -> str | None:
        """Make or change an account; returns the secret of its second factor where it got a password."""
        totp = credentials.new_totp_secret() if password is not None else None
        values = {
            "name": name,
            "role": role.value,
            "areas": sorted(areas),
            "password_hash": credentials.hash_password(password) if password is not None else None,
            "totp_secret": totp,
        }
        async with self._transaction() as tx:
            await tx.execute(_QUERIES["put_account"], values)
            await tx.execute(_QUERIES["end_sessions"], {"name": name})
        return totp

    async def disable_account(self, name: str) -> bool:
        """Nothing of this account works from now on; False where there is no such account in force."""
        async with self._transaction() as tx:
            result = await tx.execute(_QUERIES["disable_account"], {"name": name})
            await tx.execute(_QUERIES["end_sessions"], {"name": name})
            return result.rowcount > 0

    async def find_account(self, name: str) -> Account | None:
        """The account of this name, disabled or not."""
        async with self._transaction() as tx:
            cursor = await tx.execute(_QUERIES["select_account"], {"name": name})
            row = await cursor.fetchone()
        return None if row is None else convert(_account_fields(row), Account)

    async def sign_in(
        self, name: str, password: str, code: str, session_seconds: float
    ) -> tuple[SignInOutcome, str | None]:
        """(how it ended, the new session's token). Five failures lock the account for a quarter of an hour."""
        outcome, step = check_sign_in(await self.find_account(name), password, code, datetime.now(UTC))
        async with self._transaction() as tx:
            if outcome is SignInOutcome.SIGNED_IN:
                code_use = await tx.execute(_QUERIES["record_totp_step"], {"name": name, "step": step})
                if code_use.rowcount == 0:  # another sign-in used this code a moment ago
                    return SignInOutcome.WRONG_CODE, None
                await tx.execute(_QUERIES["reset_failures"], {"name": name})
                return outcome, await _begin_session(tx, name, session_seconds)
            if outcome in {SignInOutcome.WRONG_PASSWORD, SignInOutcome.WRONG_CODE}:
                await tx.execute(
                    _QUERIES["record_failed_sign_in"], {"name": name, "most": _MAX_FAILURES, "lock": _LOCK_SECONDS}
                )
        return outcome, None

    async def sign_in_as(self, name: str, session_seconds: float) -> tuple[SignInOutcome, str | None]:
        """For somebody whom a provider has vouched for; only accounts that an administrator made."""
        account = await self.find_account(name)
        if account is None:
            return SignInOutcome.UNKNOWN, None
        if account.disabled_at is not None:
            return SignInOutcome.DISABLED, None
        async with self._transaction() as tx:
            return SignInOutcome.SIGNED_IN, await _begin_session(tx, name, session_seconds)

    async def find_by_session(self, token: str) -> Identity | None:
        """Whose session this is, if it is one."""
        async with self._transaction() as tx:
            cursor = await tx.execute(_QUERIES["select_session_account"], {"token": credentials.hash_token(token)})
            row = await cursor.fetchone()
        return None if row is None else _identity_from_row(*row)

    async def end_session(self, token: str) -> None:
        """Sign out."""
        async with self._transaction() as tx:
            await tx.execute(_QUERIES["end_session"], {"token": credentials.hash_token(token)})

    async def put_key(
        self, name: str, scopes: Iterable[Scope], areas: Iterable[str], *, purpose: str, days: float
    ) -> credentials.ApiKey:
        """A key for a program, shown this once."""
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
        async with self._transaction() as tx:
            await tx.execute(_QUERIES["put_key"], values)
        return key

    async def revoke_key(self, id_: str) -> bool:
        """False where there is no such key in force."""
        async with self._transaction() as tx:
            return (await tx.execute(_QUERIES["revoke_key"], {"id": id_})).rowcount > 0

    async def find_by_key(self, text: str) -> Identity | None:
        """Whose key this is, if it is one, with what it may do."""
        key = credentials.parse_api_key(text)
        if key is None:
            return None
        async with self._transaction() as tx:
            row = await (await tx.execute(_QUERIES["select_key"], {"id": key.id})).fetchone()
        if row is None or not hmac.compare_digest(row[5], credentials.hash_token(key.secret)):
            return None
        return narrow_identity(_identity_from_row(*row[:3]), frozenset(map(Scope, row[3])), frozenset(row[4]), key.id)

    async def record_audit(self, actor: str, action: str, object_: str, *, address: str, outcome: str) -> None:
        """Put down who did what."""
        values = {"who": actor[:128], "action": action, "object": object_[:256], "address": address, "outcome": outcome}
        async with self._transaction() as tx:
            await tx.execute(_QUERIES["insert_audit"], values)

    async def fetch_rows(self, query: str, **values: object) -> list[tuple[object, ...]]:
        """For lists."""
        async with self._transaction() as tx:
            return await (await tx.execute(_QUERIES[query], values)).fetchall()


async def _begin_session(tx: psycopg.AsyncConnection, name: str, session_seconds: float) -> str:
    token = credentials.new_session_token()
    await tx.execute(_QUERIES["delete_expired_sessions"])
    values = {"token": credentials.hash_token(token), "name": name, "seconds": session_seconds}
    await tx.execute(_QUERIES["begin_session"], values)
    return token


def _identity_from_row(name: str, role: str, areas: list[str]) -> Identity:
    account_role = Role(role)
    return Identity(name=name, role=account_role, scopes=scopes_of(account_role), areas=frozenset(areas))


def _account_fields(row: tuple[object, ...]) -> dict[str, object]:
    return dict(zip(Account.__struct_fields__, row, strict=True))
