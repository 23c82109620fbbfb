"""`piekwacht selftest`: once over stored hours, printed; nothing is kept."""

import argparse
import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import psycopg
from msgspec import Struct

from gateway.detection.settings import DetectionSettings
from gateway.errors import GatewayError, StartError
from gateway.evaluation.selftest.hour_loader import ONE, QUERIES, Examiner, Result
from gateway.evaluation.selftest.outcome import Exposure, Outcome
from gateway.evaluation.selftest.settings import SelfTestSettings
from gateway.evaluation.selftest.statistics import Found, summed, together


class Figures(Struct, frozen=True, kw_only=True):
    """What is printed with --json."""

    detector: str
    since: datetime
    until: datetime
    obscured: int
    silent: int
    peaks: Sequence[Found]
    watched: Sequence[Exposure]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("--hours", type=int, default=24, help="how many whole hours (24)")
    parser.add_argument("--until", type=_moment, metavar="TIME", help="RFC 3339; without it the newest reading's hour")
    parser.add_argument("--area", help="only this one")
    parser.add_argument("--json", action="store_true", help="for programs")


def _moment(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no moment; write it as 2026-11-21T16:00:00Z") from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).replace(minute=0, second=0, microsecond=0)


def run(given: argparse.Namespace, dsn: str, detection: DetectionSettings, settings: SelfTestSettings) -> int:
    """Examine and print. GatewayError where there is nothing to examine."""
    try:
        results = asyncio.run(_examined(given, dsn, Examiner(detection, settings)))
    except psycopg.OperationalError as error:
        raise StartError(f"no database: {' '.join(str(error).split())}; check [database] dsn") from None
    if not results:
        raise GatewayError("no readings to examine: are there any stored for this area?")
    verdicts = [v for result in results for v in result.verdicts]
    figures = Figures(
        detector=results[0].detector,
        since=min(r.hour for r in results),
        until=max(r.hour for r in results) + ONE,
        obscured=sum(v.outcome is Outcome.OBSCURED for v in verdicts),
        silent=sum(v.outcome is Outcome.SILENT for v in verdicts),
        peaks=summed(verdicts),
        watched=together(e for result in results for e in result.exposures),
    )
    print(msgspec.json.encode(figures).decode() if given.json else _text(figures))  # noqa: T201 - the command's own output
    return 0


async def _examined(given: argparse.Namespace, dsn: str, examiner: Examiner) -> list[Result]:
    results = []
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True, connect_timeout=5) as tx:
        areas = [row[0] for row in await (await tx.execute(QUERIES["areas"])).fetchall()]
        if given.area is not None and given.area not in areas:
            raise GatewayError(f"no area {given.area}; there are: {', '.join(areas) or 'none'}")
        for area in areas if given.area is None else [given.area]:
            row = await (await tx.execute(QUERIES["newest_hour"], {"area": area})).fetchone()
            until = given.until or (row[0] if row else None)
            hours = [] if until is None else [until - timedelta(hours=back) for back in range(given.hours, 0, -1)]
            results += [await examiner.examine(tx, area, hour) for hour in hours]
    return results


def _text(figures: Figures) -> str:
    lines = [
        (
            f"{figures.detector}, {figures.since:%Y-%m-%d %H:%M}Z to {figures.until:%Y-%m-%d %H:%M}Z; not counted: "
            f"{figures.obscured} in the way of another event, {figures.silent} with too few readings"
        ),
    ]
    lines += [sentence(one) for one in figures.peaks] or ["no synthetic peak that counts"]
    lines += [
        f"{one.observed_property} every {one.interval} s, {one.sensor_days:.2f} sensor-days without synthetic peaks: "
        f"{one.peaks} peaks told, {one.alone} of them at one station only"
        for one in figures.watched
    ]
    return "\n".join(lines)


def sentence(one: Found) -> str:
    """A figure in English, on one line."""
    low, high = one.between
    words = (
        f"{one.observed_property} every {one.interval} s: of {one.injected} synthetic peaks of {one.multiple:g} times "
        f"the noise {one.found} were found ({100 * low:.0f} to {100 * high:.0f} %)"
    )
    if one.delay is None or one.ratio is None:
        return words
    return f"{words}, after {one.delay:.0f} s, as {one.ratio:.2f} of their size (medians)"
