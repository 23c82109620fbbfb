"""Passkeys of accounts in the database. Each judgement is one transaction, so a challenge and a count are used once."""

from datetime import datetime
from pathlib import Path

import psycopg
from msgspec import Struct
from psycopg.rows import class_row

from alerting.sql import load_queries
from gateway.access import credentials
from gateway.access.accounts import Accounts, begin_session
from gateway.access.passkey_challenge import CHALLENGE_SECONDS, derive_user_handle
from gateway.access.passkey_check import (
    Ceremony,
    CheckedPasskey,
    Credential,
    PasskeyOutcome,
    PresentedPasskey,
    check_registration,
    check_sign_in,
    read_presented,
)
from gateway.errors import GatewayError

_QUERIES = load_queries(Path(__file__).with_name("passkeys.sql"))
MAX_PASSKEYS = 10  # per account
FRESH_SECONDS = 900.0  # age of a session that may add a passkey: one that was left open may not


class PasskeyListing(Struct, frozen=True, kw_only=True):
    """A passkey, as the account page and `piekwacht access list` show it."""

    id: str
    account: str
    name: str
    created_at: datetime
    last_used_at: datetime | None


class PasskeySignIn(Struct, frozen=True, kw_only=True):
    """Outcome of a sign-in. `account`, `passkey`: empty if it is unknown; `token`: of the new session."""

    outcome: PasskeyOutcome
    account: str = ""
    passkey: str = ""
    token: str | None = None


class _StoredCredential(Struct, frozen=True, kw_only=True):
    id: str
    account: str
    public_key: bytes
    sign_count: int
    is_removed: bool
    is_disabled: bool


class _Owner(Struct, frozen=True, kw_only=True):
    has_password: bool
    passkeys: int
    is_fresh: bool


class PasskeyStore:
    """The tables `access.passkey*`, by the connections of `Accounts`."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts, self._secret = accounts, b""

    async def fetch_secret(self) -> bytes:
        """Return the secret that challenges are derived from; it never changes."""
        if not self._secret:
            async with self._accounts.transaction() as tx:
                row = await (await tx.execute(_QUERIES["select_passkey_secret"])).fetchone()
            if row is None:
                raise GatewayError("access.passkey_secret is empty: restore it, or insert 32 random bytes")
            (secret,) = row
            self._secret = bytes(secret)
        return self._secret

    async def list_of(self, account: str) -> list[PasskeyListing]:
        """Return the passkeys of an account, oldest first."""
        return await self._list("select_passkeys", account)

    async def list_all(self) -> list[PasskeyListing]:
        """Return all passkeys by account."""
        return await self._list("select_all_passkeys", "")

    async def check_owner(self, session_token: str) -> PasskeyOutcome | None:
        """Return why this session may not add a passkey, or None."""
        async with self._accounts.transaction() as tx:
            return await _find_owner_refusal(tx, session_token)

    async def list_credential_ids(self, account: str) -> list[bytes]:
        """Return the ids by which a device knows that it holds a passkey of this account."""
        async with self._accounts.transaction() as tx:
            rows = await (await tx.execute(_QUERIES["select_credential_ids"], {"account": account})).fetchall()
        return [bytes(credential_id) for (credential_id,) in rows]

    async def register(
        self, account: str, name: str, session_token: str, credential: Credential, ceremony: Ceremony
    ) -> tuple[PasskeyOutcome, str]:
        """Store a new passkey of the account; return the outcome and its id, empty if it is refused."""
        checked = check_registration(credential, ceremony)
        if isinstance(checked, PasskeyOutcome):
            return checked, ""
        async with self._accounts.transaction() as tx:
            refusal = await _find_owner_refusal(tx, session_token)
            if refusal is None and not await _use_challenge(tx, ceremony):
                refusal = PasskeyOutcome.USED_CHALLENGE
            if refusal is not None:
                return refusal, ""
            return await _insert(tx, account, name, checked)

    async def sign_in(self, credential: Credential, ceremony: Ceremony, session_seconds: float) -> PasskeySignIn:
        """Judge a sign-in; begin a session if the passkey is genuine."""
        presented = read_presented(credential)
        if presented is None:
            return PasskeySignIn(outcome=PasskeyOutcome.NOT_GENUINE)
        secret = await self.fetch_secret()
        async with self._accounts.transaction() as tx:
            cursor = tx.cursor(row_factory=class_row(_StoredCredential))
            values = {"credential_id": presented.credential_id}
            stored = await (await cursor.execute(_QUERIES["select_credential"], values)).fetchone()
            if stored is None:
                return PasskeySignIn(outcome=PasskeyOutcome.UNKNOWN_PASSKEY)
            if not await _use_challenge(tx, ceremony):
                checked: CheckedPasskey | PasskeyOutcome = PasskeyOutcome.USED_CHALLENGE
            else:
                checked = _judge(stored, presented, credential, ceremony, secret)
            if isinstance(checked, PasskeyOutcome):
                return PasskeySignIn(outcome=checked, account=stored.account, passkey=stored.id)
            await tx.execute(_QUERIES["record_use"], {"id": stored.id, "sign_count": checked.sign_count})
            token = await begin_session(tx, stored.account, session_seconds)
        return PasskeySignIn(outcome=PasskeyOutcome.SIGNED_IN, account=stored.account, passkey=stored.id, token=token)

    async def remove(self, id_: str, account: str | None) -> bool:
        """Remove a passkey of this account (None: of any); False if there is no such passkey."""
        async with self._accounts.transaction() as tx:
            return (await tx.execute(_QUERIES["remove_passkey"], {"id": id_, "account": account})).rowcount > 0

    async def _list(self, query: str, account: str) -> list[PasskeyListing]:
        async with self._accounts.transaction() as tx:
            cursor = tx.cursor(row_factory=class_row(PasskeyListing))
            return await (await cursor.execute(_QUERIES[query], {"account": account})).fetchall()


def _judge(
    stored: _StoredCredential, presented: PresentedPasskey, credential: Credential, ceremony: Ceremony, secret: bytes
) -> CheckedPasskey | PasskeyOutcome:
    if stored.is_removed:
        return PasskeyOutcome.REMOVED_PASSKEY
    if stored.is_disabled:
        return PasskeyOutcome.DISABLED
    if presented.user_handle not in {None, derive_user_handle(secret, stored.account)}:
        return PasskeyOutcome.NOT_GENUINE
    return check_sign_in(credential, ceremony, public_key=stored.public_key, sign_count=stored.sign_count)


async def _find_owner_refusal(tx: psycopg.AsyncConnection, session_token: str) -> PasskeyOutcome | None:
    cursor = tx.cursor(row_factory=class_row(_Owner))
    values = {"token": credentials.hash_token(session_token), "fresh_seconds": FRESH_SECONDS}
    owner = await (await cursor.execute(_QUERIES["select_owner"], values)).fetchone()
    if owner is None or not owner.is_fresh:
        return PasskeyOutcome.OLD_SESSION
    if not owner.has_password:
        return PasskeyOutcome.NO_PASSWORD
    return PasskeyOutcome.TOO_MANY_PASSKEYS if owner.passkeys >= MAX_PASSKEYS else None


async def _use_challenge(tx: psycopg.AsyncConnection, ceremony: Ceremony) -> bool:
    """Whether the challenge is used for the first time. It stays used also if the passkey is then refused."""
    await tx.execute(_QUERIES["delete_expired_challenges"])
    # longer than the cookie lasts, whose time comes from another clock
    values = {"challenge": ceremony.challenge, "seconds": 2 * CHALLENGE_SECONDS}
    return (await tx.execute(_QUERIES["use_challenge"], values)).rowcount > 0


async def _insert(
    tx: psycopg.AsyncConnection, account: str, name: str, checked: CheckedPasskey
) -> tuple[PasskeyOutcome, str]:
    id_ = credentials.new_passkey_id()
    values = {
        "id": id_,
        "account": account,
        "name": name,
        "credential_id": checked.credential_id,
        "public_key": checked.public_key,
        "sign_count": checked.sign_count,
    }
    is_new = (await tx.execute(_QUERIES["insert_passkey"], values)).rowcount > 0
    return (PasskeyOutcome.REGISTERED, id_) if is_new else (PasskeyOutcome.KNOWN_PASSKEY, "")
