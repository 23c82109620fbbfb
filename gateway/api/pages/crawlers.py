"""`/robots.txt` and `/sitemap.xml`: what search engines may read, and every page that lasts, in both languages."""

from collections.abc import Iterable
from urllib.parse import quote
from xml.sax.saxutils import escape

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response

from gateway.api.pages.guide import TOPICS
from gateway.api.pages.renderer import ViewDependency

root_router = APIRouter()
_PAGES = (
    "",
    "events",
    "status",
    "site-reports",
    "about",
    "guide",
    *(f"guide/{topic}" for topic in TOPICS),
    "developers",
)
_LANGUAGES = ("nl", "en")


@root_router.get("/robots.txt")
async def show_robots(request: Request) -> Response:
    """Crawlers may read the pages, but neither the API, the widget nor what needs a sign-in."""
    root = request.app.state.settings.public_url.rstrip("/")
    closed = ("/api/", "/widget/", "/account", "/inspector", "/acknowledge")
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in closed), f"Sitemap: {root}/sitemap.xml"]
    return PlainTextResponse("\n".join(lines) + "\n")


@root_router.get("/sitemap.xml")
async def show_sitemap(view: ViewDependency) -> Response:
    """The pages and those of all stations; the list of events leads to those of events."""
    content = build_sitemap(view.settings.public_url.rstrip("/"), view.latest_values.registry.stations)
    return Response(content, media_type="application/xml", headers={"Cache-Control": "public, max-age=3600"})


def build_sitemap(root: str, stations: Iterable[str]) -> str:
    """Return the document (https://www.sitemaps.org/protocol.html) with the languages of each page. Pure."""
    pages = [*_PAGES, *(f"stations/{quote(station, safe='')}" for station in stations)]
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:xhtml="http://www.w3.org/1999/xhtml">\n'
        + "".join(_build_entry(root, language, page) for page in pages for language in _LANGUAGES)
        + "</urlset>\n"
    )


def _build_entry(root: str, language: str, page: str) -> str:
    links = "".join(
        f'<xhtml:link rel="alternate" hreflang="{other}" href="{escape(f"{root}/{other}/{page}")}"/>'
        for other in _LANGUAGES
    )
    return f"<url><loc>{escape(f'{root}/{language}/{page}')}</loc>{links}</url>\n"
