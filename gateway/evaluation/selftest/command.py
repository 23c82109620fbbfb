"""`piekwacht selftest`: run the self-test once over stored hours and print the result; nothing is stored."""

import argparse
import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
import psycopg
from msgspec import Struct

from edge_agent.command_line import parse_time
from gateway.detection.settings import DetectionSettings
from gateway.errors import GatewayError, StartError
from gateway.evaluation.selftest.hour_loader import ONE_HOUR, QUERIES, HourExaminer, HourResult
from gateway.evaluation.selftest.outcome import Exposure, PeakOutcome
from gateway.evaluation.selftest.settings import SelfTestSettings
from gateway.evaluation.selftest.statistics import DetectionRate, compute_detection_rates, sum_exposures
from gateway.store.connection import fetch_scalar


class SelfTestReport(Struct, frozen=True, kw_only=True):
    """Output of --json."""

    detector: str
    since: datetime
    until: datetime
    obscured: int
    silent: int
    peaks: Sequence[DetectionRate]
    watched: Sequence[Exposure]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("--hours", type=int, default=24, help="how many whole hours (24)")
    parser.add_argument(
        "--until", type=_parse_hour, metavar="TIME", help="RFC 3339; without it the newest reading's hour"
    )
    parser.add_argument("--area", help="only this one")
    parser.add_argument("--json", action="store_true", help="for programs")


def _parse_hour(text: str) -> datetime:
    return parse_time(text).replace(minute=0, second=0, microsecond=0)


def run(args: argparse.Namespace, dsn: str, detection: DetectionSettings, settings: SelfTestSettings) -> int:
    """Examine and print. Raises GatewayError if there is nothing to examine."""
    try:
        results = asyncio.run(_examine_hours(args, dsn, HourExaminer(detection, settings)))
    except psycopg.OperationalError as error:
        raise StartError(f"no database: {' '.join(str(error).split())}; check [database] dsn") from None
    if not results:
        raise GatewayError("no readings to examine: are there any stored for this area?")
    peak_results = [peak_result for result in results for peak_result in result.peak_results]
    report = SelfTestReport(
        detector=results[0].detector,
        since=min(r.hour for r in results),
        until=max(r.hour for r in results) + ONE_HOUR,
        obscured=sum(peak_result.outcome is PeakOutcome.OBSCURED for peak_result in peak_results),
        silent=sum(peak_result.outcome is PeakOutcome.SILENT for peak_result in peak_results),
        peaks=compute_detection_rates(peak_results),
        watched=sum_exposures(exposure for result in results for exposure in result.exposures),
    )
    print(msgspec.json.encode(report).decode() if args.json else _format_report(report))  # noqa: T201 - the command's own output
    return 0


async def _examine_hours(args: argparse.Namespace, dsn: str, examiner: HourExaminer) -> list[HourResult]:
    results = []
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True, connect_timeout=5) as tx:
        areas = [area for (area,) in await (await tx.execute(QUERIES["select_areas"])).fetchall()]
        if args.area is not None and args.area not in areas:
            raise GatewayError(f"no area {args.area}; there are: {', '.join(areas) or 'none'}")
        for area in areas if args.area is None else [args.area]:
            until = args.until or await fetch_scalar(tx, QUERIES["select_newest_hour"], {"area": area})
            hours = (
                [] if until is None else [until - timedelta(hours=hours_ago) for hours_ago in range(args.hours, 0, -1)]
            )
            results += [await examiner.examine(tx, area, hour) for hour in hours]
    return results


def _format_report(report: SelfTestReport) -> str:
    lines = [
        (
            f"{report.detector}, {report.since:%Y-%m-%d %H:%M}Z to {report.until:%Y-%m-%d %H:%M}Z; not counted: "
            f"{report.obscured} in the way of another event, {report.silent} with too few readings"
        ),
    ]
    lines += [format_detection_rate(item) for item in report.peaks] or ["no synthetic peak that counts"]
    lines += [
        f"{item.observed_property} every {item.interval} s, {item.sensor_days:.2f} sensor-days "
        f"without synthetic peaks: {item.peaks} peaks, {item.alone} of them at one station only"
        for item in report.watched
    ]
    return "\n".join(lines)


def format_detection_rate(rate: DetectionRate) -> str:
    """Return a detection rate as one line of English."""
    low, high = rate.confidence_interval
    text = (
        f"{rate.observed_property} every {rate.interval} s: of {rate.injected} synthetic peaks "
        f"of {rate.multiple:g} times the noise {rate.found} were found ({100 * low:.0f} to {100 * high:.0f} %)"
    )
    if rate.delay is None or rate.ratio is None:
        return text
    return f"{text}, after {rate.delay:.0f} s, as {rate.ratio:.2f} of their size (medians)"
