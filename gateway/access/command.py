"""`piekwacht access`: accounts and keys, for the administrator at the machine."""

import argparse
import asyncio
import getpass
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import psycopg

from edge_agent.configuration import ConfigurationError
from gateway.access.accounts import Accounts
from gateway.access.credentials import WeakPasswordError, totp_address
from gateway.access.identity import EVERY_AREA, Role, Scope
from gateway.errors import GatewayError, StartError

_LONGEST_KEY_DAYS = 366


def add_arguments(
    parser: argparse.ArgumentParser,
    add_config: Callable[[argparse.ArgumentParser], None],
    dsn_of: Callable[[Path], str],
) -> None:
    """The arguments of the command; `add_config` adds --config as the others have it, `dsn_of` reads that file."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    def action(name: str, do: Callable[..., Coroutine[Any, Any, None]], help_: str) -> argparse.ArgumentParser:
        one = actions.add_parser(name, help=help_)
        add_config(one)
        one.set_defaults(run=_run, do=do, dsn_of=dsn_of)
        return one

    add = action("add", _add, "make or change an account; asks for a password, or reads it from standard input")
    add.add_argument("name", help="such as an e-mail address; small letters")
    add.add_argument("--role", type=Role, choices=list(Role), required=True)
    add.add_argument("--area", action="append", default=[], help="may be repeated; without: every area")
    add.add_argument("--no-password", action="store_true", help="signs in through the organisation's provider only")
    disable = action("disable", _disable, "nothing of this account works from now on, nor any of its keys")
    disable.add_argument("name")
    key = action("key", _key, "a key for a program, shown once")
    key.add_argument("name", help="the account it belongs to")
    key.add_argument("--purpose", required=True)
    key.add_argument("--scope", action="append", default=[], type=Scope, choices=list(Scope), help="may be repeated")
    key.add_argument("--area", action="append", default=[], help="may be repeated; without: every area of the account")
    key.add_argument("--days", type=int, default=90, help=f"in force for so long, at most {_LONGEST_KEY_DAYS}")
    revoke = action("revoke-key", _revoke_key, "this key works no more")
    revoke.add_argument("id", help="the middle part of the key, as `list` shows it")
    action("list", _list, "accounts and keys")
    audit = action("audit", _audit, "who did what, the newest first")
    audit.add_argument("--most", type=int, default=50)


def _run(given: argparse.Namespace) -> None:
    accounts = Accounts(given.dsn_of(given.config))
    try:
        asyncio.run(given.do(given, accounts))
    except psycopg.OperationalError as error:
        raise StartError(f"no database: {' '.join(str(error).split())}; check [database] dsn") from None
    except psycopg.errors.UndefinedTable:
        raise StartError("the database is older than this version: run `piekwacht migrate`") from None


async def _add(given: argparse.Namespace, accounts: Accounts) -> None:
    name = given.name.lower()
    try:
        totp = await accounts.put(name, given.role, given.area or [EVERY_AREA], _password(given))
    except WeakPasswordError as error:
        raise ConfigurationError(str(error)) from None
    except psycopg.errors.CheckViolation:
        raise ConfigurationError(f"{given.name!r} cannot be a name: letters, digits, and . _ @ - between") from None
    await _put_down(accounts, "put account", name)
    print(f"{name} is {given.role} of {', '.join(given.area) or 'every area'}")
    if totp is not None:
        print(f"for the authenticator app (shown once): {totp_address(totp, name)}")


def _password(given: argparse.Namespace) -> str | None:
    if given.no_password:
        return None
    return getpass.getpass("password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")


async def _disable(given: argparse.Namespace, accounts: Accounts) -> None:
    if not await accounts.disable(given.name):
        raise GatewayError(f"there is no account {given.name!r} in force; `piekwacht access list` shows them")
    await _put_down(accounts, "disable account", given.name)
    print(f"{given.name} is disabled")


async def _key(given: argparse.Namespace, accounts: Accounts) -> None:
    if not 1 <= given.days <= _LONGEST_KEY_DAYS:
        raise ConfigurationError(f"--days: 1 to {_LONGEST_KEY_DAYS}; a key that lasts for ever is lost for ever")
    try:
        key = await accounts.put_key(
            given.name, given.scope, given.area or [EVERY_AREA], purpose=given.purpose, days=given.days
        )
    except psycopg.errors.ForeignKeyViolation:
        raise GatewayError(f"there is no account {given.name!r}; `piekwacht access add` makes one") from None
    await _put_down(accounts, "put key", key.id)
    print(key)


async def _revoke_key(given: argparse.Namespace, accounts: Accounts) -> None:
    if not await accounts.revoke_key(given.id):
        raise GatewayError(f"there is no key {given.id!r} in force; `piekwacht access list` shows them")
    await _put_down(accounts, "revoke key", given.id)
    print(f"{given.id} is revoked")


async def _list(given: argparse.Namespace, accounts: Accounts) -> None:
    del given
    for name, role, areas, password, second, disabled in await accounts.rows("accounts"):
        how = "password and code" if password and second else "provider"
        state = f"disabled {disabled}" if disabled else how
        print(f"{name}  {role}  {','.join(map(str, _texts(areas)))}  {state}")
    for id_, account, scopes, areas, purpose, ends, revoked in await accounts.rows("keys"):
        state = f"revoked {revoked}" if revoked else f"until {ends}"
        print(f"key {id_}  {account}  {','.join(_texts(scopes))}  {','.join(_texts(areas))}  {state}  {purpose}")


def _texts(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


async def _audit(given: argparse.Namespace, accounts: Accounts) -> None:
    for row in await accounts.rows("audited", most=given.most):
        print("  ".join(str(one) for one in row))


async def _put_down(accounts: Accounts, action: str, object_: str) -> None:
    await accounts.audit(getpass.getuser(), action, object_, address="this machine", outcome="done")
