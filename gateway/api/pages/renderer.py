"""Rendering of pages: language, texts, formats of numbers and times, and Jinja templates. Every page depends on it.

The language comes from the address (`/nl/...`, `/en/...`), else from the browser's Accept-Language, else it is Dutch.
"""

import gzip
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse
from msgspec import to_builtins

from alerting.templates import load_templates
from alerting.vocabulary import Language
from gateway.access.language import negotiate_language
from gateway.api.data.latest_values import LatestValues
from gateway.api.data.log_heads import LogHeads, PublishedHead
from gateway.api.http.headers import PERMISSIONS_WITH_GEOLOCATION
from gateway.api.pages.formats import Formats
from gateway.api.pages.plume_texts import describe_on_card, name_stations
from gateway.api.routes.places import get_latest_values
from gateway.api.schemas.observations import Minute
from gateway.api.schemas.plumes import Plume
from gateway.api.schemas.schema import LICENCE, Schema
from gateway.api.settings import ApiSettings
from gateway.model.timestamps import from_ms

PREFIXES = ("", "/nl", "/en")
TEMPLATES = load_templates(Path(__file__).parents[1] / "templates")


@dataclass(frozen=True, kw_only=True)
class View(Formats):
    """One request for a page, with the data and formats that its template uses as `v`."""

    request: Request
    prefix: str
    latest_values: LatestValues
    settings: ApiSettings

    @property
    def log_heads(self) -> Sequence[PublishedHead]:
        """The newest head of each public log, for the foot of every page; empty without a log."""
        heads: LogHeads = self.request.app.state.log_heads
        return heads.read(self.latest_values.registry.areas)

    @property
    def offers_notices(self) -> bool:
        """Whether residents can subscribe to notices here."""
        return self.request.app.state.subscription_pages is not None

    @property
    def offers_reports(self) -> bool:
        """Whether there are reports of months here."""
        return self.request.app.state.reports is not None

    def has_no_data(self, at: str | None) -> bool:
        """Whether the newest reading is older than `[api] no_data_after_seconds`, or missing."""
        return at is None or self.now - datetime.fromisoformat(at) > timedelta(
            seconds=self.settings.no_data_after_seconds
        )

    def age(self, at: str | None) -> str:
        """How long ago, or since when there are no data."""
        if at is None:
            return self.texts["no_valid"]
        if self.has_no_data(at):
            return f"{self.texts['silent']} {self.short_date_time(at)}"
        seconds = max(0, round((self.now - datetime.fromisoformat(at)).total_seconds()))
        if seconds < 120:
            return f"{seconds} {self.texts['seconds']}"
        return f"{round(seconds / 60)} {self.texts['minutes']}"

    def station_names(self, plume: Plume) -> str:
        """The station of the leading event, and how many others."""
        return name_stations(self, plume)

    def card_note(self, plume: Plume) -> str:
        """The notified receivers of a plume, for its row in a list."""
        return describe_on_card(self, plume)

    def render(self, template: str, **values: object) -> bytes:
        """The page as HTML, UTF-8."""
        path = self.request.url.path
        path_without_language = path[3:] if path.startswith(("/nl/", "/en/")) else path
        other_language = "en" if self.language == "nl" else "nl"
        return (
            TEMPLATES.get_template(template)
            .render(
                v=self,
                w=self.texts,
                language=self.language,
                home=f"{self.prefix}/",
                here=quote(path_without_language, safe="/:@", errors="replace"),  # links: nothing but an address
                other=other_language,
                query=self.request.url.query,
                settings=self.settings,
                licence=LICENCE,
                **values,
            )
            .encode()
        )


async def get_view(request: Request) -> View:
    """The dependency of every page; raises HTTPException 503 if the database is away."""
    path = request.url.path
    prefix = path[:3] if path.startswith(("/nl/", "/en/")) else ""
    language = negotiate_language(path, request.headers.get("accept-language", ""))
    return build_view(request, language, prefix, await get_latest_values(request))


ViewDependency = Annotated[View, Depends(get_view)]


def build_view(request: Request, language: Language, prefix: str, latest_values: LatestValues) -> View:
    """A view in that language. In a replay `now` is the time of the newest reading."""
    settings: ApiSettings = request.app.state.settings
    windows = (window for station_windows in latest_values.windows.values() for window in station_windows.values())
    newest = max((window.newest_ms for window in windows if window.newest_ms is not None), default=None)
    now = datetime.now(UTC)
    if settings.replay and newest is not None:
        now = from_ms(newest)
    return View(
        request=request,
        language=language,
        prefix=prefix,
        latest_values=latest_values,
        registry=latest_values.registry,
        settings=settings,
        now=now,
    )


def find_newest(minutes: Iterable[Minute]) -> str | None:
    """When the newest valid value of these was read; None without one."""
    return max((minute.observed_at for minute in minutes if minute.observed_at is not None), default=None)


def respond_html(view: View, content: bytes, status: int = 200, *, geolocation: bool = False) -> HTMLResponse:
    """The page as a response, with gzip if the browser accepts it. `geolocation`: its script may ask where it is."""
    cache_control = "public, max-age=2" if status == 200 else "no-store"
    headers = {
        "Cache-Control": cache_control,
        "Content-Language": view.language,
        "Vary": "Accept-Language, Accept-Encoding",
    }
    if geolocation:
        headers["Permissions-Policy"] = PERMISSIONS_WITH_GEOLOCATION
    if "gzip" in view.request.headers.get("accept-encoding", ""):
        content, headers["Content-Encoding"] = gzip.compress(content, compresslevel=5, mtime=0), "gzip"
    return HTMLResponse(content, status, headers)


def respond_private_html(view: View, content: bytes, status: int = 200) -> HTMLResponse:
    """A page of one person, so no cache may store it; with gzip if the request has nothing that the page repeats.

    The length of a compressed page that repeats its address would show whether a private text has the same (BREACH).
    """
    request = view.request
    headers = {
        "Cache-Control": "no-store",
        "Content-Language": view.language,
        "Vary": "Accept-Encoding",
        "X-Robots-Tag": "noindex",
    }
    repeats_nothing = request.method == "GET" and not request.url.query
    if repeats_nothing and "gzip" in request.headers.get("accept-encoding", ""):
        content, headers["Content-Encoding"] = gzip.compress(content, compresslevel=5, mtime=0), "gzip"
    return HTMLResponse(content, status, headers)


def respond_missing(view: View) -> HTMLResponse:
    """The 404 page."""
    return respond_html(view, view.render("missing.html"), 404)


def strip_licence(document: Schema) -> dict[str, Any]:
    """A document as the API shows it, without licence and attribution: the page has these already."""
    fields: dict[str, Any] = to_builtins(document)
    return {name: value for name, value in fields.items() if name not in {"licence", "attribution"}}
