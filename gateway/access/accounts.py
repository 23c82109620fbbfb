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

from alerting.sql import load
from gateway.access import credentials
from gateway.access.identity import Identity, Role, Scope, narrowed, scopes_of

_QUERIES = load(Path(__file__).with_name("queries.sql"))
_MOST_FAILURES = 5
_LOCK_SECONDS = 900


class SignIn(StrEnum):
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


def judge(account: Account | None, password: str, code: str, now: datetime) -> tuple[SignIn, int | None]:
    """(how it ended, the time step of the code where it worked). Pure, and as slow for who is not there."""
    right = credentials.fits(password, account.password_hash if account else None)
    if account is None:
        return SignIn.UNKNOWN, None
    if account.disabled_at is not None:
        return SignIn.DISABLED, None
    if account.locked_until is not None and account.locked_until > now:
        return SignIn.LOCKED, None
    if not right:
        return SignIn.WRONG_PASSWORD, None
    step = credentials.totp_step(account.totp_secret, code, now, account.totp_used) if account.totp_secret else None
    return (SignIn.SIGNED_IN, step) if step is not None else (SignIn.WRONG_CODE, None)


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

    async def put(self, name: str, role: Role, areas: Iterable[str], password: str | None) -> str | None:
        """Make or change an account; returns the secret of its second factor where it got a password."""
        totp = credentials.new_totp() if password is not None else None
        values = {
            "name": name,
            "role": role.value,
            "areas": sorted(areas),
            "password_hash": credentials.hashed(password) if password is not None else None,
            "totp_secret": totp,
        }
        async with self._transaction() as tx:
            await tx.execute(_QUERIES["put_account"], values)
            await tx.execute(_QUERIES["end_sessions"], {"name": name})
        return totp

    async def disable(self, name: str) -> bool:
        """Nothing of this account works from now on; False where there is no such account in force."""
        async with self._transaction() as tx:
            done = await tx.execute(_QUERIES["disable_account"], {"name": name})
            await tx.execute(_QUERIES["end_sessions"], {"name": name})
            return done.rowcount > 0

    async def find(self, name: str) -> Account | None:
        """The account of this name, disabled or not."""
        async with self._transaction() as tx:
            cursor = await tx.execute(_QUERIES["account"], {"name": name})
            row = await cursor.fetchone()
        return None if row is None else convert(_named(row), Account)

    async def sign_in(self, name: str, password: str, code: str, seconds: float) -> tuple[SignIn, str | None]:
        """(how it ended, the new session's token). Five failures lock the account for a quarter of an hour."""
        outcome, step = judge(await self.find(name), password, code, datetime.now(UTC))
        async with self._transaction() as tx:
            if outcome is SignIn.SIGNED_IN:
                used = await tx.execute(_QUERIES["use_code"], {"name": name, "step": step})
                if used.rowcount == 0:  # another sign-in used this code a moment ago
                    return SignIn.WRONG_CODE, None
                await tx.execute(_QUERIES["succeeded"], {"name": name})
                return outcome, await _begin(tx, name, seconds)
            if outcome in {SignIn.WRONG_PASSWORD, SignIn.WRONG_CODE}:
                await tx.execute(_QUERIES["failed"], {"name": name, "most": _MOST_FAILURES, "lock": _LOCK_SECONDS})
        return outcome, None

    async def sign_in_as(self, name: str, seconds: float) -> tuple[SignIn, str | None]:
        """For somebody whom a provider has vouched for; only accounts that an administrator made."""
        account = await self.find(name)
        if account is None:
            return SignIn.UNKNOWN, None
        if account.disabled_at is not None:
            return SignIn.DISABLED, None
        async with self._transaction() as tx:
            return SignIn.SIGNED_IN, await _begin(tx, name, seconds)

    async def by_session(self, token: str) -> Identity | None:
        """Whose session this is, if it is one."""
        async with self._transaction() as tx:
            cursor = await tx.execute(_QUERIES["session"], {"token": credentials.digest(token)})
            row = await cursor.fetchone()
        return None if row is None else _identity(*row)

    async def end_session(self, token: str) -> None:
        """Sign out."""
        async with self._transaction() as tx:
            await tx.execute(_QUERIES["end_session"], {"token": credentials.digest(token)})

    async def put_key(
        self, name: str, scopes: Iterable[Scope], areas: Iterable[str], *, purpose: str, days: float
    ) -> credentials.NewKey:
        """A key for a program, shown this once."""
        key = credentials.new_key()
        values = {
            "id": key.id,
            "secret": credentials.digest(key.secret),
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

    async def by_key(self, text: str) -> Identity | None:
        """Whose key this is, if it is one, with what it may do."""
        key = credentials.read_key(text)
        if key is None:
            return None
        async with self._transaction() as tx:
            row = await (await tx.execute(_QUERIES["key"], {"id": key.id})).fetchone()
        if row is None or not hmac.compare_digest(row[5], credentials.digest(key.secret)):
            return None
        return narrowed(_identity(*row[:3]), frozenset(map(Scope, row[3])), frozenset(row[4]), key.id)

    async def audit(self, who: str, action: str, object_: str, *, address: str, outcome: str) -> None:
        """Put down who did what."""
        values = {"who": who[:128], "action": action, "object": object_[:256], "address": address, "outcome": outcome}
        async with self._transaction() as tx:
            await tx.execute(_QUERIES["audit"], values)

    async def rows(self, query: str, **values: object) -> list[tuple[object, ...]]:
        """For lists."""
        async with self._transaction() as tx:
            return await (await tx.execute(_QUERIES[query], values)).fetchall()


async def _begin(tx: psycopg.AsyncConnection, name: str, seconds: float) -> str:
    token = credentials.new_session()
    await tx.execute(_QUERIES["forget_sessions"])
    values = {"token": credentials.digest(token), "name": name, "seconds": seconds}
    await tx.execute(_QUERIES["begin_session"], values)
    return token


def _identity(name: str, role: str, areas: list[str]) -> Identity:
    known = Role(role)
    return Identity(name=name, role=known, scopes=scopes_of(known), areas=frozenset(areas))


def _named(row: tuple[object, ...]) -> dict[str, object]:
    return dict(zip(Account.__struct_fields__, row, strict=True))
