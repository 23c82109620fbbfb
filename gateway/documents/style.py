"""The style sheet of every document, for paper and screen. It is inside the document, which needs no other file."""

from pathlib import Path

from markupsafe import Markup

_FILE = Path(__file__).with_name("templates") / "document.css"
DOCUMENT_CSS = Markup(_FILE.read_text(encoding="utf-8"))  # noqa: S704 - our own file
