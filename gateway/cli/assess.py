"""`piekwacht assess`: write how often means of stations were at or above published levels, as an indication."""

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.configuration import ConfigurationError
from gateway import settings
from gateway.errors import StartError
from gateway.model.legal_day import legal_date
from gateway.reports.command import parse_day

if TYPE_CHECKING:
    from gateway.export.assessment_table import AssessedStream

_FORMATS = ("text", "csv", "csv-nl", "parquet")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --config and the arguments."""
    settings.add_config_argument(parser)
    parser.add_argument("--station", metavar="ID", help="one station; default: every station of --area")
    parser.add_argument("--area", metavar="ID", help="every station of an area, such as ijmond")
    parser.add_argument("--from", required=True, dest="start", type=parse_day, metavar="DAY", help="first legal day")
    parser.add_argument("--to", required=True, dest="end", type=parse_day, metavar="DAY", help="day after the last")
    parser.add_argument("--format", choices=_FORMATS, default="text", help="sentences or a table (text)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")


def run(args: argparse.Namespace) -> None:
    """Write the assessments. Raises ConfigurationError or GatewayError with one sentence."""
    if (args.station is None) == (args.area is None):
        raise ConfigurationError("give either --station or --area")
    if args.start >= args.end:
        raise ConfigurationError("--to must be after --from")
    if args.format == "parquet" and args.output is None and sys.stdout.isatty():
        raise ConfigurationError("a Parquet file is binary and not for a terminal: give --output FILE")
    configuration = settings.read(args.config)
    content = asyncio.run(_assess(args, configuration.database.dsn, configuration.assessment.year_coverage))
    if args.output is None:
        sys.stdout.buffer.write(content)
        return
    try:
        partial_file = args.output.with_name(args.output.name + ".part")
        partial_file.write_bytes(content)
        partial_file.replace(args.output)
    except OSError as error:
        raise StartError(f"{args.output}: {error.strerror}") from None


async def _assess(args: argparse.Namespace, dsn: str, year_coverage: float | None) -> bytes:
    # numpy and pyarrow load slowly, and --help does not need them
    from gateway.api.data.assessments import assess_station  # noqa: PLC0415
    from gateway.api.data.loading import load_public_registry  # noqa: PLC0415
    from gateway.documents.snapshot import open_snapshot  # noqa: PLC0415
    from gateway.export.assessed import build_period  # noqa: PLC0415
    from gateway.export.assessment_table import AssessedStream, write_assessments  # noqa: PLC0415
    from gateway.export.selection import TableFormat  # noqa: PLC0415
    from gateway.model.timestamps import from_ms  # noqa: PLC0415

    async with open_snapshot(dsn, {}) as snapshot:
        registry = await load_public_registry(snapshot.fetch)
        if args.station is not None and args.station not in registry.stations:
            raise StartError(f"no station {args.station!r}; `piekwacht site show` prints them")
        if args.area is not None and args.area not in registry.areas:
            raise StartError(f"no area {args.area!r}; `piekwacht site show` prints them")
        streams = list[AssessedStream]()
        for row in registry.stations.values():
            if row.id != args.station and row.area != args.area:
                continue
            zone = registry.time_zone_of(row.id)
            _check_end(args.end, zone)
            period = build_period(args.start, args.end, zone)
            end = from_ms(period.edges[-1] * 1_000)
            assessed = await assess_station(snapshot.fetch_rows, registry, row.id, period, end, year_coverage)
            streams += assessed.streams
    if args.format == "text":
        return "".join(f"{line}\n" for line in _describe(streams)).encode()
    notes: Mapping[str, str] = {"first_day": str(args.start), "end_day": str(args.end)}
    return write_assessments(streams, TableFormat(args.format), notes)


def _check_end(end: date, zone: str) -> None:
    if end > legal_date(datetime.now(UTC), zone):
        raise StartError("--to: days that are not over are not assessed; give today at the latest")


def _describe(streams: Sequence["AssessedStream"]) -> list[str]:
    from gateway.assessment.sentences import describe_refusal, name_level  # noqa: PLC0415
    from gateway.model.texts import texts_of  # noqa: PLC0415

    texts, lines = texts_of("assessment", "en"), list[str]()
    for stream in streams:
        assessment = stream.assessment
        name = f"{stream.station}, {assessment.substance}, datastream {stream.datastream}"
        lines.append(f"{name}: {assessment.complete_hours} of {assessment.hours} hours are complete")
        for count in assessment.counts:
            averaging = texts[f"over_{count.level.averaging}"]
            lines.append(
                f"  at or above {count.level.value:g} ug/m3 ({name_level(count.level, 'en')}, {averaging}): "
                f"{count.at_or_above} of {count.complete}, highest {count.highest:.1f} [{count.level.id}]"
            )
        for refusal in assessment.refusals:
            lines.append(f"  {refusal.level.id}: {describe_refusal(refusal, 'en')}")
    lines.append("this is an indication: the levels are about reference instruments at representative places")
    return lines
