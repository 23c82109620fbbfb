"""`piekwacht report`: the arguments of the command, and the file that it writes."""

import argparse
import asyncio
from datetime import date
from pathlib import Path

from alerting.vocabulary import LANGUAGES
from gateway.errors import StartError
from gateway.reports.errors import ReportError
from gateway.reports.request import Audience, ReportPublisher, ReportRequest

_ENDINGS = (".pdf", ".html")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--area", required=True, metavar="ID", help="such as ijmond")
    parser.add_argument(
        "--from", required=True, dest="start", type=parse_day, metavar="DAY", help="first day, such as 2026-10-01"
    )
    parser.add_argument(
        "--to",
        required=True,
        dest="end",
        type=parse_day,
        metavar="DAY",
        help="day after the last one, such as 2026-11-01",
    )
    parser.add_argument(
        "--audience",
        choices=[member.value for member in Audience],
        default="residents",
        help="residents: public facts; authority: also notes, authors and legal bases (residents)",
    )
    parser.add_argument("--language", choices=LANGUAGES, default="nl", help="of the texts (nl)")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help="file for the report: .pdf or .html"
    )


def parse_day(text: str) -> date:
    """Return a day. Raises argparse.ArgumentTypeError with the form that is expected."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; write it as 2026-10-01") from None


def run(args: argparse.Namespace, dsn: str, publisher: ReportPublisher) -> None:
    """Write the file completely or not at all. Raises DocumentError or StartError with one sentence."""
    if args.output.suffix not in _ENDINGS:
        raise ReportError(f"{args.output}: the name must end with {' or '.join(_ENDINGS)}")
    from gateway.reports.build import build_report  # noqa: PLC0415 - it loads matplotlib, which --help does not need

    request = ReportRequest(
        area=args.area, start=args.start, end=args.end, audience=Audience(args.audience), language=args.language
    )
    report = asyncio.run(build_report(dsn, request, publisher))
    content = report.to_pdf() if args.output.suffix == ".pdf" else report.html.encode()
    partial_file = args.output.with_name(args.output.name + ".part")
    try:
        partial_file.write_bytes(content)
        partial_file.replace(args.output)
    except OSError as error:
        raise StartError(f"{args.output}: {error.strerror}") from None
