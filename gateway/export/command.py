"""`piekwacht export`: write one property of a station over a period to a CSV or Parquet file."""

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import psycopg
from psycopg.rows import class_row

from alerting.errors import one_line
from edge_agent.command_line import parse_time
from gateway.errors import StartError
from gateway.export.rows import stream_rows
from gateway.export.selection import QUERIES, Averaging, Rows, Selection, TableFormat
from gateway.model.legal_day import TimeZoneError, check_time_zone
from gateway.model.timestamps import format_instant
from gateway.quality.calibration import CalibrationVersion, group_versions

LICENCE = "https://creativecommons.org/licenses/by/4.0/"


@dataclass(frozen=True, kw_only=True)
class _StationProperty:
    station: str
    observed_property: str
    unit: str
    time_zone: str
    datastreams: list[int]


@dataclass(frozen=True, kw_only=True)
class _UnreadPart:
    """A part of the period that begins at `start`, and why it could not be read."""

    start: datetime
    error: Exception


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--station", required=True, metavar="ID", help="such as wijk-aan-zee")
    parser.add_argument("--property", required=True, metavar="ID", help="such as pm2_5")
    parser.add_argument(
        "--from", required=True, dest="start", type=parse_time, metavar="TIME", help="begin of the period, RFC 3339"
    )
    parser.add_argument(
        "--to", required=True, dest="end", type=parse_time, metavar="TIME", help="end of the period, exclusive"
    )
    parser.add_argument(
        "--format", choices=[member.value for member in TableFormat], default="csv", help="form of the file (csv)"
    )
    parser.add_argument(
        "--averaging",
        choices=[member.value for member in Averaging],
        default="raw",
        help="single readings or means (raw)",
    )
    parser.add_argument(
        "--time-zone", metavar="NAME", help="whose legal days `1day` averages over; default: the area's"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")


def run(args: argparse.Namespace, dsn: str, attribution: str) -> None:
    """Write the file completely or not at all. Raises StartError.

    A part that cannot be read, because its rows are damaged, is a row with `not_read` among its flags: the file is
    written, and StartError names the first such part.
    """
    if args.start >= args.end:
        raise StartError("--from must be before --to")
    if args.time_zone is not None:
        _check_time_zone(args.time_zone)
    if args.output is None and args.format == "parquet" and sys.stdout.isatty():
        raise StartError("a Parquet file is binary and not for a terminal: give --output FILE")
    try:
        unread_parts = asyncio.run(_export(args, dsn, {"licence": LICENCE, "attribution": attribution}))
    except psycopg.OperationalError as error:
        raise StartError(f"the database does not answer: {one_line(error)}") from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader of the pipe has closed it
    except OSError as error:
        raise StartError(f"{args.output or 'standard output'}: {error.strerror}") from None
    else:
        if unread_parts:
            raise StartError(_describe_unread(unread_parts))


def _check_time_zone(name: str) -> None:
    try:
        check_time_zone(name)
    except TimeZoneError as error:
        raise StartError(f"--time-zone: {error}") from None


def _describe_unread(unread_parts: Sequence[_UnreadPart]) -> str:
    first = unread_parts[0]
    return (
        f"parts that could not be read: {len(unread_parts)}; their rows have the flag not_read. "
        f"The first begins at {format_instant(first.start)}: {one_line(first.error)}"
    )


async def _export(args: argparse.Namespace, dsn: str, notes: Mapping[str, str]) -> Sequence[_UnreadPart]:
    """Write the file; return the parts that could not be read."""
    unread_parts: list[_UnreadPart] = []
    async with await psycopg.AsyncConnection.connect(
        dsn, autocommit=True, application_name="piekwacht export"
    ) as connection:

        async def fetch(query: str, values: Mapping[str, Any]) -> Rows:
            return await (await connection.execute(QUERIES[query], values, binary=True)).fetchall()

        def report(start: datetime, error: Exception) -> None:
            if connection.closed or not isinstance(error, psycopg.Error):
                raise error  # the database is away, or the fault is ours: no part can be read
            unread_parts.append(_UnreadPart(start=start, error=error))

        from gateway.export import tables  # noqa: PLC0415 - pyarrow loads slowly, and --help does not need it

        selection = await _load_selection(args, connection)
        rows = stream_rows(selection, fetch, report)
        parts = tables.write_table(selection, rows, TableFormat(args.format), notes)
        if args.output is None:
            await _write_parts(parts, sys.stdout.buffer)
            return unread_parts
        partial_file = args.output.with_name(args.output.name + ".part")
        with partial_file.open("wb") as file:
            await _write_parts(parts, file)
        partial_file.replace(args.output)
        return unread_parts


async def _load_selection(args: argparse.Namespace, connection: psycopg.AsyncConnection) -> Selection:
    cursor = connection.cursor(row_factory=class_row(_StationProperty))
    names = {"station": args.station, "property": args.property}
    await cursor.execute(QUERIES["select_datastreams_of_property"], names)
    match = await cursor.fetchone()
    if match is None:
        raise StartError(f"no station {args.station!r} or no observed property {args.property!r} in the registry")
    humidity = await connection.execute(QUERIES["select_humidity_datastreams"], {"ids": match.datastreams})
    return Selection(
        station=match.station,
        observed_property=match.observed_property,
        unit=match.unit,
        ids=match.datastreams,
        start=args.start,
        end=args.end,
        averaging=Averaging(args.averaging),
        humidity_datastreams=dict(await humidity.fetchall()),
        calibrations=await _load_calibrations(connection, match.datastreams),
        time_zone=args.time_zone or match.time_zone,
    )


async def _load_calibrations(
    connection: psycopg.AsyncConnection, ids: Sequence[int]
) -> Mapping[int, Sequence[CalibrationVersion]]:
    streams = await connection.execute(QUERIES["select_calibrated_datastreams"], {"ids": list(ids)})
    key_by_id = {id_: (node, name) for id_, node, name in await streams.fetchall()}
    if not key_by_id:
        return {}
    cursor = connection.cursor(row_factory=class_row(CalibrationVersion))
    versions = group_versions(await (await cursor.execute(QUERIES["select_calibrations"])).fetchall())
    return {id_: versions[key] for id_, key in key_by_id.items()}


async def _write_parts(parts: AsyncIterator[bytes], file: BinaryIO) -> None:
    async for part in parts:
        file.write(part)
    file.flush()
