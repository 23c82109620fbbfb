"""`piekwacht dossier`: the arguments of the command, and the file that it writes."""

import argparse
import asyncio
from pathlib import Path

from alerting.vocabulary import LANGUAGES
from edge_agent.command_line import parse_time
from gateway.documents.pdf_process import PdfProcess
from gateway.dossier.errors import DossierError
from gateway.dossier.request import DossierPublisher, DossierRequest, EventRequest, PeriodRequest
from gateway.errors import StartError
from gateway.system.gc_tuning import pause_gc
from gateway.transparency.settings import PublicLogSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("event", nargs="?", metavar="EVENT", help="id of the event, as in its address")
    parser.add_argument("--revision", type=int, metavar="N", help="a revision of the event; default: the newest")
    parser.add_argument("--station", metavar="ID", help="instead of an event: a period at this station")
    parser.add_argument("--from", dest="start", type=parse_time, metavar="TIME", help="begin of the period, RFC 3339")
    parser.add_argument("--to", dest="end", type=parse_time, metavar="TIME", help="end of the period, exclusive")
    parser.add_argument("--language", choices=LANGUAGES, default="nl", help="of the texts (nl)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.zip", help="file for the dossier")


def run(
    args: argparse.Namespace, dsn: str, publisher: DossierPublisher, public_log: PublicLogSettings | None = None
) -> None:
    """Write the file completely or not at all. Raises DossierError or StartError with one sentence."""
    request = parse_request(args)
    partial_file = args.output.with_name(args.output.name + ".part")
    try:
        with PdfProcess() as pdf, pause_gc():  # a dossier is a million objects that live until its end
            from gateway.dossier.build import open_source, write_dossier  # noqa: PLC0415 - while the process loads

            with partial_file.open("wb") as output:
                source = open_source(public_log)
                asyncio.run(write_dossier(output, dsn, request, publisher, source, make_pdf=pdf.write))
        partial_file.replace(args.output)
    except OSError as error:
        raise StartError(f"{args.output}: {error.strerror}") from None
    finally:
        partial_file.unlink(missing_ok=True)


def parse_request(args: argparse.Namespace) -> DossierRequest:
    """Return what is requested. Raises DossierError unless it is an event, or a station with a period."""
    period = args.station, args.start, args.end
    if args.event is not None and period == (None, None, None):
        return EventRequest(event=args.event, revision=args.revision, language=args.language)
    if args.event is None and args.revision is None and None not in period:
        return PeriodRequest(station=args.station, start=args.start, end=args.end, language=args.language)
    raise DossierError("give an EVENT, or --station with --from and --to")
