"""`/guide`: the guide for residents. It is made from docs/resident, so that site and repository have one text.

A checkout has the texts and their pictures in docs; a wheel has them in this package (pyproject.toml).
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from gateway.api.http.static_files import GUIDE_PICTURES
from gateway.api.pages.renderer import ViewDependency, respond_html, respond_missing

router = APIRouter()
_CHECKOUT = Path(__file__).parents[3] / "docs" / "resident"
_PACKAGED = Path(__file__).parents[1] / "guide"
TOPICS = ("map", "limits", "notices", "check", "own-sensor")  # the names of the files, in the order of reading


@dataclass(frozen=True, kw_only=True)
class GuidePage:
    """A topic in one language. `title`: its first heading; `body`: HTML."""

    topic: str
    title: str
    body: Markup


@router.get("/guide")
async def show_guide(view: ViewDependency) -> HTMLResponse:
    """The topics of the guide."""
    return respond_html(view, view.render("guide.html", pages=read_guide(view.language), page=None))


@router.get("/own-sensor")
async def show_own_sensor(view: ViewDependency) -> HTMLResponse:
    """How a resident's sensor takes part: the topic of the guide under a short address."""
    return await show_topic(view, "own-sensor")


@router.get("/guide/{topic}")
async def show_topic(view: ViewDependency, topic: str) -> HTMLResponse:
    """One topic."""
    pages = read_guide(view.language)
    page = next((page for page in pages if page.topic == topic), None)
    if page is None:
        return respond_missing(view)
    return respond_html(view, view.render("guide.html", pages=pages, page=page))


@functools.cache
def read_guide(language: str) -> Sequence[GuidePage]:
    """The topics in one language, from the files. Raises OSError if one is missing."""
    folder = (_CHECKOUT if _CHECKOUT.is_dir() else _PACKAGED) / language
    return [build_page(topic, (folder / f"{topic}.md").read_text(encoding="utf-8")) for topic in TOPICS]


def build_page(topic: str, text: str) -> GuidePage:
    """Return a page of Markdown text that begins with its heading. Pure. HTML in the text is shown as text."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(text)
    title, body = tokens[1].content, tokens[3:]
    for token in body:
        for child in token.children or ():
            _place_on_site(child)
    return GuidePage(
        topic=topic,
        title=title,
        body=Markup(markdown.renderer.render(body, markdown.options, {})),  # noqa: S704 - HTML in it is escaped
    )


def _place_on_site(token: Token) -> None:
    """Change the address of a link or picture from that in the repository to that on the site."""
    if token.type == "link_open":
        token.attrSet("href", str(token.attrGet("href")).removesuffix(".md"))
    elif token.type == "image":
        token.attrSet("src", f"/static/{GUIDE_PICTURES}/{Path(str(token.attrGet('src'))).name}")
        token.attrSet("loading", "lazy")
