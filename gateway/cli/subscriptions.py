"""`piekwacht subscriptions`: the service that notifies residents, and what an operator does for them."""

import argparse
import asyncio
from pathlib import Path

import psycopg

from alerting.errors import one_line
from alerting.subscriptions import contact_admin
from alerting.subscriptions.push_message import create_vapid_key
from gateway import settings
from gateway.cli import services
from gateway.errors import GatewayError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    run_action = actions.add_parser("run", help="decide and send notices until SIGTERM ([subscriptions])")
    settings.add_config_argument(run_action)
    key_action = actions.add_parser("key", help="make the VAPID key of [subscriptions.push]; print its public half")
    key_action.add_argument("file", type=Path, help="new file for the private key (mode 0600)")
    count_action = actions.add_parser("count", help="print how many people subscribe, and how many notices wait")
    settings.add_config_argument(count_action)
    erase_action = actions.add_parser("erase", help="erase all that is stored of an e-mail address")
    settings.add_config_argument(erase_action)
    erase_action.add_argument("address", help="the e-mail address; it is not logged")


def run(args: argparse.Namespace) -> int:
    """Run the chosen action. Raises GatewayError if the database does not answer."""
    if args.action == "key":
        print(create_vapid_key(args.file))
        return 0
    if args.action == "run":
        return services.run(args)
    dsn = settings.read(args.config).database.dsn
    try:
        return asyncio.run(_erase(dsn, args.address) if args.action == "erase" else _count(dsn))
    except psycopg.Error as error:
        raise GatewayError(f"the database does not answer: {one_line(error)}") from None


async def _erase(dsn: str, address: str) -> int:
    erased = await contact_admin.erase_address(dsn, address)
    print("erased" if erased else "nobody subscribes with this address")
    return 0 if erased else 1


async def _count(dsn: str) -> int:
    counts, state = await contact_admin.count_contacts(dsn)
    for row in counts:
        print(f"{row.kind}: {row.confirmed} confirmed, {row.waiting} not confirmed, {row.paused} paused")
    print(f"notices waiting: {state.waiting}, the oldest for {state.delay:.0f} s")
    return 0
