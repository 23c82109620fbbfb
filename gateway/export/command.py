"""`piekwacht export`: a station's property over a period, as a file."""

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import psycopg

from gateway.errors import StartError
from gateway.export.rows import rows
from gateway.export.selection import QUERIES, Averaging, Format, Rows, Selection

LICENCE = "https://creativecommons.org/licenses/by/4.0/"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--station", required=True, metavar="ID")
    parser.add_argument("--property", required=True, metavar="ID", help="such as pm2_5")
    parser.add_argument("--from", required=True, dest="start", type=_moment, metavar="TIME", help="RFC 3339, from then")
    parser.add_argument("--to", required=True, dest="end", type=_moment, metavar="TIME", help="until just before then")
    parser.add_argument("--format", choices=[one.value for one in Format], default="csv")
    parser.add_argument("--averaging", choices=[one.value for one in Averaging], default="raw")
    parser.add_argument("--output", type=Path, metavar="FILE", help="without it: standard output")


def _moment(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no moment; write it as 2026-11-21T16:00:00Z") from None
    if at.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r}: say the time zone, such as 2026-11-21T16:00:00Z")
    return at.astimezone(UTC)


def run(given: argparse.Namespace, dsn: str, attribution: str) -> None:
    """Write the file whole or not at all. Raises StartError for what cannot be done."""
    if given.start >= given.end:
        raise StartError("--from must be before --to")
    if given.output is None and given.format == "parquet" and sys.stdout.isatty():
        raise StartError("a Parquet file is nothing for a screen: give --output FILE")
    try:
        asyncio.run(_export(given, dsn, {"licence": LICENCE, "attribution": attribution}))
    except psycopg.OperationalError as error:
        raise StartError(f"the database does not answer: {str(error).splitlines()[0]}") from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read has seen enough
    except OSError as error:
        raise StartError(f"{given.output or 'standard output'}: {error.strerror}") from None


async def _export(given: argparse.Namespace, dsn: str, notes: Mapping[str, str]) -> None:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True, application_name="piekwacht export") as one:

        async def fetch(query: str, values: Mapping[str, Any]) -> Rows:
            return await (await one.execute(QUERIES[query], values, binary=True)).fetchall()

        from gateway.export import tables  # noqa: PLC0415 - pyarrow is large, and --help needs none of it

        selection = await _selected(given, fetch)
        parts = tables.write(selection, rows(selection, fetch), Format(given.format), notes)
        if given.output is None:
            await _pour(parts, sys.stdout.buffer)
            return
        beside = given.output.with_name(given.output.name + ".part")
        with beside.open("wb") as file:
            await _pour(parts, file)
        beside.replace(given.output)


async def _selected(given: argparse.Namespace, fetch: Any) -> Selection:  # noqa: ANN401 - as above
    found = await fetch("export_place", {"station": given.station, "property": given.property})
    if not found:
        raise StartError(f"no station {given.station!r} or no observed property {given.property!r} in the registry")
    ((station, observed_property, unit, ids),) = found
    return Selection(
        station=station,
        observed_property=observed_property,
        unit=unit,
        ids=ids,
        start=given.start,
        end=given.end,
        averaging=Averaging(given.averaging),
        humidity=dict(await fetch("export_humidity", {"ids": list(ids)})),
    )


async def _pour(parts: AsyncIterator[bytes], file: BinaryIO) -> None:
    async for part in parts:
        file.write(part)
    file.flush()
