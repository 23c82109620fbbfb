"""Builds a report: read the database once, write the document. The same data give the same bytes."""

import hashlib
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from markupsafe import Markup
from msgspec import Struct

from alerting.templates import load_templates
from gateway.api.pages.formats import Formats
from gateway.documents.pdf import write_pdf
from gateway.documents.snapshot import open_snapshot
from gateway.documents.style import DOCUMENT_CSS
from gateway.model.texts import texts_of
from gateway.model.timestamps import format_instant
from gateway.reports.contents import ReportContents
from gateway.reports.document import ReportDocument
from gateway.reports.levels import ReportLevels
from gateway.reports.loading import QUERIES, load_contents
from gateway.reports.request import ReportPublisher, ReportRequest
from gateway.reports.statements import ReportStatements

_FOLDER = Path(__file__).with_name("templates")
_TEMPLATES = load_templates(_FOLDER)
_CSS = Markup((_FOLDER / "report.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file
_SEVERITIES = ("minor", "moderate", "severe", "extreme")
_IDENTIFIER_LENGTH = 16  # hexadecimal digits: enough that two versions of a report differ
_PLACEHOLDER = "identifier-of-this-report"  # until the document is hashed


class Report(Struct, frozen=True, kw_only=True):
    """A report as HTML, with the name of its file without an ending, and the time of its data."""

    file_stem: str
    html: str
    as_of: datetime

    def to_pdf(self) -> bytes:
        """Return it as PDF/A. Raises DocumentError if Pango is missing."""
        return write_pdf(self.html, [], self.as_of)


async def build_report(
    dsn: str, request: ReportRequest, publisher: ReportPublisher, now: datetime | None = None
) -> Report:
    """Build the report; `now`: a period must be over by then, default: the clock.

    Raises ReportError for an unknown area or a period that cannot be reported, DocumentError if a query fails,
    StartError if the database is away.
    """
    async with open_snapshot(dsn, QUERIES) as snapshot:
        contents = await load_contents(snapshot, request, publisher, now or datetime.now(UTC))
    return render_report(contents, publisher)


def render_report(contents: ReportContents, publisher: ReportPublisher) -> Report:
    """Write the document. Its identifier is the hash of the document itself, without the identifier. Pure."""
    request = contents.request
    html = _render(contents, publisher)
    identifier = hashlib.sha256(html.encode()).hexdigest()[:_IDENTIFIER_LENGTH]
    stem = f"piekwacht-{request.area}-{request.start}-{request.end}-{request.audience.value}-{request.language}"
    return Report(file_stem=stem, html=html.replace(_PLACEHOLDER, identifier), as_of=contents.as_of)


def _render(contents: ReportContents, publisher: ReportPublisher) -> str:
    formats = Formats(language=contents.request.language, now=contents.as_of, registry=contents.registry)
    public_url = publisher.public_url.rstrip("/")
    document = ReportDocument(contents=contents, formats=formats, public_url=public_url)
    return _TEMPLATES.get_template("report.html").render(
        c=contents,
        d=document,
        levels=ReportLevels(document=document),
        others=ReportStatements(document=document),
        f=formats,
        t=texts_of("report", formats.language),
        w=formats.texts,
        url=public_url,
        severities=_SEVERITIES,
        operator=publisher.operator,
        version=version("piekwacht"),
        created=format_instant(contents.as_of),
        identifier=_PLACEHOLDER,
        css=DOCUMENT_CSS,
        own_css=_CSS,
    )
