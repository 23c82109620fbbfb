"""The document of a dossier as PDF/A-3a: tagged, with embedded fonts and files. The same input gives the same bytes.

WeasyPrint needs Pango on the machine. Without it `write_pdf` raises DossierError with the remedy.
"""

import hashlib
import importlib
import importlib.util
import warnings
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from gateway.dossier.errors import DossierError

_FONTS = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSans-Oblique.ttf", "DejaVuSansMono.ttf")
_FACES = (("Dossier", "normal", "normal"), ("Dossier", "bold", "normal"), ("Dossier", "normal", "italic"),
          ("Dossier Mono", "normal", "normal"))  # fmt: skip


class EmbeddedFile(NamedTuple):
    """A file in the PDF. `relationship`: AFRelationship of PDF/A-3, such as `Data` or `Supplement`."""

    name: str
    content: bytes
    description: str
    relationship: str


def write_pdf(html: str, embedded: Sequence[EmbeddedFile], at: datetime) -> bytes:
    """Return the PDF. `at`: its dates and those of its files. Raises DossierError if Pango is missing."""
    weasyprint = _load_weasyprint()
    attachments = [
        weasyprint.Attachment(
            string=file.content,
            name=file.name,
            description=file.description,
            relationship=file.relationship,
            created=at,
            modified=at,
        )
        for file in embedded
    ]
    fonts_only = weasyprint.urls.URLFetcher(allowed_protocols=["file"], fail_on_errors=True)
    nothing_but_itself = weasyprint.urls.URLFetcher(allowed_protocols=["data"], fail_on_errors=True)
    style = weasyprint.CSS(string=_font_faces(), url_fetcher=fonts_only)
    document = weasyprint.HTML(string=html, url_fetcher=nothing_but_itself)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # WeasyPrint does not close its colour profile
        content: bytes = document.write_pdf(
            stylesheets=[style],
            pdf_variant="pdf/a-3a",
            pdf_identifier=hashlib.sha256(html.encode()).digest()[:16],
            attachments=attachments,
        )
    return content


def _load_weasyprint() -> ModuleType:
    try:
        return importlib.import_module("weasyprint")  # late: it loads Pango, which the rest of Piekwacht does not need
    except ImportError:
        raise DossierError("WeasyPrint is missing: pip install 'piekwacht[dossier]'") from None
    except OSError:
        raise DossierError("Pango is missing: apt-get install libpango-1.0-0 libpangoft2-1.0-0") from None


def _font_faces() -> str:
    """The fonts of matplotlib's wheel: the same bytes on every machine, whatever fonts it has.

    Only its files are used. To load matplotlib would take as long as to draw the figures.
    """
    package = importlib.util.find_spec("matplotlib")
    if package is None or package.origin is None:
        raise DossierError("matplotlib, which has the fonts, is missing: pip install 'piekwacht[dossier]'")
    folder = Path(package.origin).parent / "mpl-data" / "fonts" / "ttf"
    return "".join(
        f'@font-face {{ font-family: "{family}"; font-weight: {weight}; font-style: {style}; '
        f'src: url("{(folder / name).as_uri()}"); }}\n'
        for name, (family, weight, style) in zip(_FONTS, _FACES, strict=True)
    )
