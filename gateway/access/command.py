"""`piekwacht access`: manage accounts and API keys, and print the audit log."""

import argparse
import asyncio
import getpass
import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import msgspec
import psycopg

from edge_agent.configuration import ConfigurationError
from gateway.access.accounts import Accounts, AuditEntry
from gateway.access.credentials import WeakPasswordError, totp_uri
from gateway.access.identity import EVERY_AREA, Role, Scope
from gateway.access.passkey_store import PasskeyStore
from gateway.errors import GatewayError, StartError, database_unavailable

_MAX_KEY_DAYS = 366


def add_actions(parser: argparse.ArgumentParser) -> None:
    """Add the actions; the caller has added --config."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    def add_action(name: str, action: Callable[..., Coroutine[Any, Any, None]], help_: str) -> argparse.ArgumentParser:
        subparser = actions.add_parser(name, help=help_)
        subparser.set_defaults(action=action)
        return subparser

    add = add_action(
        "add", _add_account, "create or change an account; prompts for a password, or reads it from standard input"
    )
    add.add_argument("name", help="such as an e-mail address, in lower case")
    add.add_argument("--role", type=Role, choices=list(Role), required=True, help="decides what the account may do")
    add.add_argument("--area", action="append", default=[], help="may be repeated; without: every area")
    add.add_argument(
        "--no-password", action="store_true", help="the account signs in only through the organisation's provider"
    )
    disable = add_action("disable", _disable_account, "disable an account with its sessions and keys")
    disable.add_argument("name", help="name of the account")
    key = add_action("key", _create_key, "create a key for a program, printed once")
    key.add_argument("name", help="account of the key")
    key.add_argument("--purpose", required=True, help="which program uses the key, and for which work")
    key.add_argument("--scope", action="append", default=[], type=Scope, choices=list(Scope), help="may be repeated")
    key.add_argument("--area", action="append", default=[], help="may be repeated; without: every area of the account")
    key.add_argument("--days", type=int, default=90, help=f"days that the key is valid (90), at most {_MAX_KEY_DAYS}")
    revoke = add_action("revoke-key", _revoke_key, "revoke a key")
    revoke.add_argument("id", help="middle part of the key, as `list` prints it")
    remove = add_action("remove-passkey", _remove_passkey, "remove a passkey, such as one of a lost device")
    remove.add_argument("id", help="id of the passkey, as `list` prints it")
    list_ = add_action("list", _print_accounts, "print accounts, keys and passkeys")
    list_.add_argument(
        "--json", action="store_true", help="print them as a JSON object: `accounts`, `keys`, `passkeys`"
    )
    audit = add_action("audit", _print_audit, "print the audit log, newest first")
    audit.add_argument("--limit", type=int, default=50, help="number of entries (50)")
    audit.add_argument("--json", action="store_true", help="print the entries as a JSON list")


def run(args: argparse.Namespace, dsn: str) -> None:
    """Run the chosen action. Raises StartError if the database cannot be used."""
    accounts = Accounts(dsn)
    try:
        asyncio.run(args.action(args, accounts))
    except psycopg.OperationalError as error:
        raise database_unavailable(error) from None
    except psycopg.errors.UndefinedTable:
        raise StartError("the database is older than this version: run `piekwacht migrate`") from None


async def _add_account(args: argparse.Namespace, accounts: Accounts) -> None:
    name = args.name.lower()
    try:
        totp = await accounts.put_account(name, args.role, args.area or [EVERY_AREA], _read_password(args))
    except WeakPasswordError as error:
        raise ConfigurationError(str(error)) from None
    except psycopg.errors.CheckViolation:
        raise ConfigurationError(
            f"{args.name!r} is no account name: use letters and digits, with . _ @ - between them"
        ) from None
    await _record_audit(accounts, "put account", name)
    print(f"{name} is {args.role} of {', '.join(args.area) or 'every area'}")
    if totp is not None:
        print(f"for the authenticator app (printed once): {totp_uri(totp, name)}")


def _read_password(args: argparse.Namespace) -> str | None:
    if args.no_password:
        return None
    return getpass.getpass("password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")


async def _disable_account(args: argparse.Namespace, accounts: Accounts) -> None:
    if not await accounts.disable_account(args.name):
        raise GatewayError(f"there is no enabled account {args.name!r}; `piekwacht access list` prints them")
    await _record_audit(accounts, "disable account", args.name)
    print(f"{args.name} is disabled")


async def _create_key(args: argparse.Namespace, accounts: Accounts) -> None:
    if not 1 <= args.days <= _MAX_KEY_DAYS:
        raise ConfigurationError(f"--days: 1 to {_MAX_KEY_DAYS}; keys must expire")
    try:
        key = await accounts.put_key(
            args.name, args.scope, args.area or [EVERY_AREA], purpose=args.purpose, days=args.days
        )
    except psycopg.errors.ForeignKeyViolation:
        raise GatewayError(f"there is no account {args.name!r}; `piekwacht access add` creates one") from None
    await _record_audit(accounts, "put key", key.id)
    print(key)


async def _revoke_key(args: argparse.Namespace, accounts: Accounts) -> None:
    if not await accounts.revoke_key(args.id):
        raise GatewayError(f"there is no valid key {args.id!r}; `piekwacht access list` prints them")
    await _record_audit(accounts, "revoke key", args.id)
    print(f"{args.id} is revoked")


async def _remove_passkey(args: argparse.Namespace, accounts: Accounts) -> None:
    if not await PasskeyStore(accounts).remove(args.id, None):
        raise GatewayError(f"there is no passkey {args.id!r}; `piekwacht access list` prints them")
    await _record_audit(accounts, "remove passkey", f"passkey {args.id}")
    print(f"{args.id} is removed")


async def _print_accounts(args: argparse.Namespace, accounts: Accounts) -> None:
    rows, keys = await accounts.list_accounts(), await accounts.list_keys()
    passkeys = await PasskeyStore(accounts).list_all()
    if args.json:
        print(msgspec.json.encode({"accounts": rows, "keys": keys, "passkeys": passkeys}).decode())
        return
    if not rows:
        print("no account exists; `piekwacht access add` creates one")
    for account in rows:
        sign_in_method = "password and code" if account.has_password and account.has_totp else "provider"
        state = f"disabled {_format_time(account.disabled_at)}" if account.disabled_at else sign_in_method
        print(f"{account.name}  {account.role}  {','.join(account.areas)}  {state}")
    for passkey in passkeys:
        used = f"used {_format_time(passkey.last_used_at)}" if passkey.last_used_at else "never used"
        print(
            f"passkey {passkey.id}  {passkey.account}  added {_format_time(passkey.created_at)}  {used}  {passkey.name}"
        )
    for key in keys:
        state = f"revoked {_format_time(key.revoked_at)}" if key.revoked_at else f"until {_format_time(key.expires_at)}"
        print(f"key {key.id}  {key.account}  {','.join(key.scopes)}  {','.join(key.areas)}  {state}  {key.purpose}")


async def _print_audit(args: argparse.Namespace, accounts: Accounts) -> None:
    entries = await accounts.list_audit(args.limit)
    if args.json:
        print(msgspec.json.encode(entries).decode())
        return
    if not entries:
        print("the audit log is empty")
    for entry in entries:
        parts = [_format_time(entry.at), entry.who, entry.action, entry.object, entry.address, entry.outcome]
        print("  ".join([*parts, *_describe_changes(entry)]))


def _describe_changes(entry: AuditEntry) -> list[str]:
    """Area and changed fields, as `firmware: 1.0 -> 1.1`."""
    before, after = entry.before or {}, entry.after or {}
    fields = dict.fromkeys([*before, *after])
    changes = [f"{name}: {before.get(name, '-')} -> {after.get(name, '-')}" for name in fields]
    return [*([entry.area] if entry.area else []), *changes]


def _format_time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


async def _record_audit(accounts: Accounts, action: str, object_: str) -> None:
    await accounts.record_audit(getpass.getuser(), action, object_, address="this machine", outcome="done")
