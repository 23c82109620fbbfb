"""`piekwacht hazard-index`: import samples of a laboratory, and show the index of a rolling year."""

import argparse
import asyncio
import sys
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from gateway import settings
from gateway.assessment.hazard_settings import HazardIndexSettings
from gateway.assessment.sample_file import parse_samples
from gateway.errors import StartError
from gateway.model.csv_table import TableFileError
from gateway.model.legal_day import TimeZoneError, check_time_zone
from gateway.store.connection import connect
from gateway.store.laboratory import list_stations, store_samples

if TYPE_CHECKING:
    from gateway.assessment.hazard_index import HazardIndex

_OFF = "there is no Hazard Index: declare its substances in [assessment.hazard_index]"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --config and the actions."""
    settings.add_config_argument(parser)
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    load = actions.add_parser("import", help="store the samples of a laboratory from a CSV file, all or none")
    load.add_argument("file", type=Path, metavar="FILE", help="the samples; `-` reads standard input")
    load.add_argument("--time-zone", type=parse_zone, metavar="ZONE", help="of times without an offset")
    load.add_argument("--decimal-comma", action="store_true", help="numbers have a decimal comma")
    load.add_argument("--replace", action="store_true", help="replace stored samples that have another value")
    load.set_defaults(action=_import)
    show = actions.add_parser("show", help="print the index of the last 365 days as an interval, with its parts")
    show.add_argument("--station", required=True, metavar="ID", help="such as wijk-aan-zee")
    show.add_argument("--json", action="store_true", help="print JSON for programs")
    show.set_defaults(action=_show)


def parse_zone(text: str) -> tzinfo:
    """Return a time zone. Raises argparse.ArgumentTypeError."""
    try:
        return ZoneInfo(check_time_zone(text))
    except TimeZoneError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def read_file(path: Path) -> bytes:
    """Return the content of a file, or of standard input for `-`. Raises TableFileError."""
    try:
        return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise TableFileError(f"{path}: cannot be read ({error.strerror})") from None


def run(args: argparse.Namespace) -> None:
    """Run the action. Raises GatewayError with one sentence."""
    configuration = settings.read(args.config)
    declared = configuration.assessment.hazard_index
    if declared is None:
        raise StartError(_OFF)
    args.action(args, configuration, declared)


def _import(args: argparse.Namespace, configuration: settings.Settings, declared: HazardIndexSettings) -> None:
    content = read_file(args.file)
    with connect(configuration.database.dsn) as connection:
        samples = parse_samples(
            content,
            args.time_zone,
            datetime.now(UTC),
            stations=list_stations(connection),
            substances={row.name for row in declared.substance},
            decimal_comma=args.decimal_comma,
        )
        new = store_samples(connection, samples, replace=args.replace)
    print(f"{new} samples stored, {len(samples) - new} were stored already")


def _show(args: argparse.Namespace, configuration: settings.Settings, declared: HazardIndexSettings) -> None:
    del declared
    index = asyncio.run(_load(args.station, configuration))
    if args.json:
        from msgspec import json  # noqa: PLC0415 - for this form alone

        print(json.encode(index).decode())
        return
    print("\n".join(_describe(args.station, index)))


async def _load(station: str, configuration: settings.Settings) -> "HazardIndex":
    # numpy loads slowly, and --help does not need it
    from gateway.api.data.hazard_index import load_hazard_index  # noqa: PLC0415
    from gateway.api.data.loading import load_public_registry  # noqa: PLC0415
    from gateway.documents.snapshot import open_snapshot  # noqa: PLC0415

    async with open_snapshot(configuration.database.dsn, {}) as snapshot:
        registry = await load_public_registry(snapshot.fetch)
        if station not in registry.stations:
            raise StartError(f"no station {station!r}; `piekwacht site show` prints them")
        end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        index = await load_hazard_index(snapshot, registry, station, end, configuration.assessment)
    if index is None:
        raise StartError(_OFF)
    return index


def _describe(station: str, index: "HazardIndex") -> list[str]:
    from gateway.assessment.sentences import describe_hazard_refusal  # noqa: PLC0415 - it reads the catalogue

    lines = [f"{station}, {index.start:%Y-%m-%d %H:%M} to {index.end:%Y-%m-%d %H:%M} UTC"]
    lines += [
        f"  {part.substance}: {part.lowest:.3g} to {part.highest:.3g} ug/m3 of {part.limit:g} "
        f"({part.basis}, {part.share:.1%} of the year; {part.source})"
        for part in index.parts
    ]
    if index.lowest is None or index.highest is None:
        return [*lines, f"no Hazard Index: {describe_hazard_refusal(index, 'en')}"]
    return [*lines, f"Hazard Index of the year: {index.lowest:.2f} to {index.highest:.2f}; concern above 1"]
