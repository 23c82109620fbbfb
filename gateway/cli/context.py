"""`piekwacht context`: fetch values of KNMI and Luchtmeetnet that stand beside curves, or import them from a file."""

import argparse
import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from alerting.vocabulary import count_things
from gateway import settings
from gateway.context.values import ContextError, ContextSource
from gateway.store.connection import connect
from gateway.store.context import store_context, store_station

if TYPE_CHECKING:
    from psycopg import Connection

    from gateway.context.settings import ContextSettings

_DEFAULT_HOURS = 48


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --config and the action."""
    settings.add_config_argument(parser)
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    fetch = actions.add_parser("fetch", help="fetch the last hours of all stations of [context]; run it every hour")
    fetch.add_argument(
        "--hours", type=_parse_hours, default=_DEFAULT_HOURS, metavar="N", help=f"last hours ({_DEFAULT_HOURS})"
    )
    fetch.set_defaults(action=_fetch)
    load = actions.add_parser("import", help="store values of a saved answer, or of a table of KNMI or Luchtmeetnet")
    load.add_argument("file", type=Path, metavar="FILE", help="the saved file")
    load.add_argument("--source", required=True, choices=[source.value for source in ContextSource], help="the network")
    load.add_argument("--station", metavar="ID", help="station of a file that names none")
    load.set_defaults(action=_import)


def _parse_hours(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 24 * 31:
        raise argparse.ArgumentTypeError("give a number of hours from 1 to 744")
    return int(text)


def run(args: argparse.Namespace) -> None:
    """Run the action. Raises GatewayError with one sentence."""
    args.action(args, settings.read(args.config))


def _fetch(args: argparse.Namespace, configuration: settings.Settings) -> None:
    if not configuration.context.station:
        print("no station to fetch: add [[context.station]] with source, id, name and area")  # the timer runs always
        return
    end = datetime.now(UTC)
    with connect(configuration.database.dsn) as connection:
        failures = asyncio.run(_fetch_all(configuration.context, (end - timedelta(hours=args.hours), end), connection))
    if failures:
        for sentence in failures[1:]:
            print(f"piekwacht: {sentence}", file=sys.stderr)
        raise ContextError(failures[0])


async def _fetch_all(
    context: "ContextSettings", period: tuple[datetime, datetime], connection: "Connection"
) -> list[str]:
    """Fetch one station after another; return a sentence for each that failed, the others are stored."""
    from gateway.context.client import ContextClient  # noqa: PLC0415 - httpx loads slowly, and --help needs none

    failures = []
    async with ContextClient(context) as client:
        for station in context.station:
            try:
                store_station(connection, station)
                values = await client.fetch(station, period)
            except ContextError as error:
                failures.append(f"{station.source} {station.id}: {error}")
                continue
            store_context(connection, station.source, values)
            print(f"{station.source} {station.id}: {count_things(len(values), 'value')} stored")
    return failures


def _import(args: argparse.Namespace, configuration: settings.Settings) -> None:
    from gateway.context.recorded import read_file  # noqa: PLC0415 - --help needs no reader of files

    source = ContextSource(args.source)
    values = read_file(args.file, source, args.station)
    with connect(configuration.database.dsn) as connection:
        for station in configuration.context.station:
            store_station(connection, station)
        store_context(connection, source, values)
    named = {station.id for station in configuration.context.station if station.source is source}
    print(f"{count_things(len(values), 'value')} stored")
    for station_id in sorted({value.station for value in values} - named):
        print(f"{station_id} is in no [[context.station]]: no page shows its values")
