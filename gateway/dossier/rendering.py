"""Writes the document of a dossier as HTML, and the text file to read first, from the templates."""

from collections.abc import Collection, Sequence
from pathlib import Path

from alerting.templates import load_templates
from gateway.api.pages.formats import Formats
from gateway.api.pages.plume_texts import describe_voided
from gateway.documents.style import DOCUMENT_CSS
from gateway.dossier.contents import Contents
from gateway.dossier.document import DossierDocument
from gateway.dossier.exhibits import Exhibit
from gateway.dossier.images import Images
from gateway.dossier.request import EventRequest
from gateway.model.texts import texts_of

_FOLDER = Path(__file__).with_name("templates")
_TEMPLATES = load_templates(_FOLDER, Path(__file__).parents[1] / "api" / "templates")
_DESCRIPTIONS = (
    ("event", "file_event"), ("revisions.json", "file_revisions"), ("readings/", "file_readings"),
    ("batches", "file_batches"), ("evidence/", "file_evidence"), ("policy.txt", "file_policy"),
    ("detection/", "file_detection"),
    ("detector.json", "file_detector"), ("corrections.json", "file_corrections"),
    ("deliveries.json", "file_deliveries"), ("verify.py", "file_verify"), ("ro-crate-metadata.json", "file_crate"),
)  # fmt: skip


def build_formats(contents: Contents) -> Formats:
    """The formats of the dossier's language. An event that goes on lasts until the end of its readings."""
    now = contents.events[0].changed_at if isinstance(contents.request, EventRequest) else contents.end
    return Formats(language=contents.request.language, now=now, registry=contents.registry)


def render_document(
    document: DossierDocument,
    contents: Contents,
    formats: Formats,
    images: Images,
    exhibits: Sequence[Exhibit],
    **facts: object,
) -> str:
    """Return the document as HTML. `facts`: operator, version, has_verifier."""
    return _TEMPLATES.get_template("dossier.html").render(
        c=contents, d=document, f=formats, t=texts_of("dossier", formats.language), w=formats.texts,
        images=images, exhibits=exhibits, css=DOCUMENT_CSS, describe_voided=describe_voided, **facts
    )  # fmt: skip


def render_readme(document: DossierDocument, formats: Formats, paths: Collection[str]) -> str:
    """Return the text file to read first; `paths`: the files that are in the dossier."""
    texts = texts_of("dossier", formats.language)
    present = [(name, texts[key]) for name, key in _DESCRIPTIONS if any(path.startswith(name) for path in paths)]
    return _TEMPLATES.get_template("readme.txt").render(
        d=document,
        t=texts,
        files=present,
        has_deliveries=any(path.endswith("deliveries.json") for path in paths),
        checks=list(document.checks("verify.py" in paths)),
    )
