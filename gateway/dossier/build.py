"""Builds a dossier: read the database once, write every file, put them into one bag.

The same data give the same bytes, in any process, time zone and language of the machine.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from msgspec import Struct

from alerting.sql import load_queries
from gateway.documents.pdf import EmbeddedFile, write_pdf
from gateway.documents.snapshot import Snapshot, open_snapshot
from gateway.dossier import exhibits
from gateway.dossier.bag import write_bag
from gateway.dossier.contents import Contents
from gateway.dossier.crate import FILE_NAME, write_crate
from gateway.dossier.document import DossierDocument
from gateway.dossier.evidence import EvidenceSource
from gateway.dossier.images import draw_images
from gateway.dossier.loading import load_event_contents, load_period_contents
from gateway.dossier.rendering import build_formats, render_document, render_readme
from gateway.dossier.request import DossierPublisher, DossierRequest, EventRequest
from gateway.dossier.stored_file import FileContent, Files
from gateway.model.texts import texts_of
from gateway.transparency.settings import PublicLogSettings
from gateway.verification.detection_file import FILE_ENDING as DETECTION_ENDING

WritePdf = Callable[[str, Sequence[EmbeddedFile], datetime], bytes]
"""(HTML, files in the PDF, dates of the PDF) -> the PDF: `write_pdf`, or the same in another process."""

_QUERIES = load_queries(Path(__file__).with_name("queries.sql"))
_MAX_EMBEDDED_PROOFS = 20  # in the PDF; the bag holds all
_README_NAMES = {"nl": "LEESMIJ.txt", "en": "README.txt"}


class Dossier(Struct, frozen=True, kw_only=True):
    """A dossier as a file: its name, and the bytes of the ZIP."""

    file_name: str
    content: bytes


async def build_dossier(
    dsn: str,
    request: DossierRequest,
    publisher: DossierPublisher,
    source: EvidenceSource | None = None,
    *,
    make_pdf: WritePdf = write_pdf,
) -> Dossier:
    """Build the dossier in memory; see `write_dossier`."""
    output = io.BytesIO()
    file_name = await write_dossier(output, dsn, request, publisher, source, make_pdf=make_pdf)
    return Dossier(file_name=file_name, content=output.getvalue())


async def write_dossier(
    output: BinaryIO,
    dsn: str,
    request: DossierRequest,
    publisher: DossierPublisher,
    source: EvidenceSource | None = None,
    *,
    make_pdf: WritePdf = write_pdf,
) -> str:
    """Write the ZIP of a dossier and return its file name. `source`: the public log, if there is one.

    Detection files lie in a temporary folder until they are packed. Raises DossierError for an unknown event, station
    or revision, and if the disk is full. Raises DocumentError if Pango is missing or a query fails, StartError if the
    database is away.
    """
    with TemporaryDirectory(prefix="piekwacht-dossier-") as folder:
        async with open_snapshot(dsn, _QUERIES) as snapshot:
            contents = await _load_contents(snapshot, request, publisher.operator)
            if source is not None:
                contents = await _add_evidence(snapshot, contents, source, Path(folder))
        files = await exhibits.build_exhibit_files(contents, publisher.operator)
        return _write_dossier(output, contents, files, publisher, make_pdf)


def open_source(public_log: PublicLogSettings | None) -> EvidenceSource | None:
    """Return the public log of these settings; None without one."""
    if public_log is None:
        return None
    from gateway.dossier.log_evidence import PublicLogEvidence  # noqa: PLC0415 - it loads the web framework

    return PublicLogEvidence(public_log)


async def _load_contents(snapshot: Snapshot, request: DossierRequest, operator: str) -> Contents:
    if isinstance(request, EventRequest):
        return await load_event_contents(snapshot, request, operator)
    return await load_period_contents(snapshot, request, operator)


async def _add_evidence(snapshot: Snapshot, contents: Contents, source: EvidenceSource, folder: Path) -> Contents:
    """Add the evidence of the highest value of each event, and of every batch that stands in the log."""
    evidence = dict[str, bytes]()
    for event in contents.events:
        document = event.document
        at = datetime.fromisoformat(document.peak_at)
        name = f"peak-{document.id}.piekwacht.json"
        content = await source.build_value_evidence(
            snapshot, contents.registry, document.station, document.observed_property, at
        )
        if content is not None:
            evidence[name] = content
    detected = await source.build_detections(snapshot, contents.registry, contents.events, folder)
    detections = {f"{file.events[0]}{DETECTION_ENDING}": file.file for file in detected}
    proven = await source.build_batch_evidence(snapshot, contents.batches)
    evidence |= {f"{name}.piekwacht.json": content for name, content in proven.items()}
    policy = await source.read_policy(contents.area.id)
    events = [event for file in detected for event in file.events]
    return replace(contents, evidence=evidence, detections=detections, detected=events, policy=policy)


def _write_dossier(
    output: BinaryIO, contents: Contents, files: Files, publisher: DossierPublisher, make_pdf: WritePdf
) -> str:
    """Write documents, description and bag; return the file name. `files`: those for programs."""
    formats = build_formats(contents)
    facts = {"operator": publisher.operator, "version": version("piekwacht")}
    document = DossierDocument(contents, formats, public_url=publisher.public_url, **facts)
    html = render_document(
        document,
        contents,
        formats,
        draw_images(contents, formats),
        exhibits.list_exhibits(files),
        has_verifier="verify.py" in files,
        **facts,
    )
    all_files: dict[str, FileContent] = {**files, "dossier.html": html.encode()}
    all_files["dossier.pdf"] = make_pdf(html, _choose_embedded(files, formats.language), contents.as_of)
    readme = render_readme(document, formats, [*all_files, FILE_NAME])
    all_files[_README_NAMES[formats.language]] = readme.encode()
    all_files[FILE_NAME] = write_crate(
        all_files,
        title=document.title,
        description=texts_of("dossier", formats.language)["annex"],
        operator=publisher.operator,
        language=formats.language,
        at=contents.as_of,
    )
    name = f"piekwacht-dossier-{document.identifier}"
    bag_facts = {
        "Source-Organization": publisher.operator,
        "External-Identifier": document.identifier,
        "External-Description": document.title,
        "Bag-Software-Agent": f"Piekwacht {facts['version']}",
    }
    write_bag(output, name, all_files, bag_facts, contents.as_of)
    return f"{name}.zip"


def _choose_embedded(files: Files, language: str) -> list[EmbeddedFile]:
    """The event, the policy and the first proofs: a PDF without its folder still has them."""
    texts = texts_of("dossier", language)
    proofs = sorted((path for path in files if path.startswith("evidence/")), key=_rank_proof)[:_MAX_EMBEDDED_PROOFS]
    chosen = [
        *((path, "file_event", "Data") for path in ("event.json", "events.json")),
        ("policy.txt", "file_policy", "Supplement"),
        *((path, "file_evidence", "Supplement") for path in proofs),
    ]
    return [
        EmbeddedFile(name=path.rpartition("/")[2], content=content, description=texts[text], relationship=relationship)
        for path, text, relationship in chosen
        if isinstance(content := files.get(path), bytes)
    ]


def _rank_proof(path: str) -> tuple[bool, str]:
    """The proofs of highest values come first."""
    return not path.startswith("evidence/peak-"), path
