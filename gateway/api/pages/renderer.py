"""Rendering of pages: language, texts, formats of numbers and times, and Jinja templates. Every page depends on it.

The language comes from the address (`/nl/...`, `/en/...`), else from the browser's Accept-Language, else it is Dutch.
"""

import gzip
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse
from msgspec import to_builtins

from alerting import vocabulary
from alerting.catalogue import Texts
from alerting.templates import load_templates
from alerting.vocabulary import LOCAL_TIMEZONE, Language
from gateway.api.data.latest_values import LatestValues
from gateway.api.data.log_heads import LogHeads, PublishedHead
from gateway.api.routes.places import get_latest_values
from gateway.api.schemas.observations import Minute
from gateway.api.schemas.schema import LICENCE, Schema
from gateway.api.settings import ApiSettings
from gateway.export.selection import Averaging
from gateway.model.texts import texts_of
from gateway.model.timestamps import from_ms

PREFIXES = ("", "/nl", "/en")
_MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
ARBITRARY_SCALE_UNITS = ("{ticks}", "Ohm", "hPa")  # charts of these need not begin at zero
TEMPLATES = load_templates(Path(__file__).parents[1] / "templates")


def negotiate_language(path: str, accepted: str) -> Language:
    """The language of the address, else the one that the browser prefers, else Dutch."""
    if path.startswith(("/nl/", "/en/")):
        return "nl" if path.startswith("/nl/") else "en"
    best, weight = "nl", 0.0
    for part in accepted[:1_000].split(","):
        name, _, q = part.strip().partition(";q=")
        try:
            quality = float(q) if q else 1.0
        except ValueError:
            continue
        short = name.lower()[:2]
        if short in {"nl", "en"} and quality > weight:
            best, weight = short, quality
    return "en" if best == "en" else "nl"


@dataclass(frozen=True, kw_only=True)
class View:
    """One request for a page, with the data and formats that its template uses as `v`."""

    request: Request
    language: Language
    prefix: str
    latest_values: LatestValues
    settings: ApiSettings
    now: datetime

    @property
    def texts(self) -> Texts:
        """Every text in the page's language."""
        return texts_of("page", self.language)

    @property
    def log_heads(self) -> Sequence[PublishedHead]:
        """The newest head of each public log, for the foot of every page; empty without a log."""
        heads: LogHeads = self.request.app.state.log_heads
        return heads.read(self.latest_values.registry.areas)

    @property
    def decimal_separator(self) -> str:
        """The decimal comma or point."""
        return "," if self.language == "nl" else "."

    def name_of(self, observed_property: str) -> str:
        """The name of a property, or its id if the registry lacks it."""
        row = self.latest_values.registry.properties.get(observed_property)
        if row is None:
            return observed_property
        return row.name_nl if self.language == "nl" else row.name_en

    def unit_of(self, code: str) -> str:
        """The symbol of a UCUM unit."""
        return vocabulary.unit_symbol(code)

    @property
    def averagings(self) -> dict[str, str]:
        """The texts of all kinds of averaging, for the scripts."""
        return {code: self.averaging(code) for code in (*Averaging, "area")}

    def averaging(self, code: str) -> str:
        """The averaging of a value, to stand beside it: a single reading, or a mean over a minute, an hour or a day."""
        return vocabulary.averaging_text(code, self.language)

    def flags(self, names: list[str]) -> str:
        """The texts of flags."""
        return ", ".join(vocabulary.flag_text(name, self.language) for name in names)

    def minute_flags(self, minute: dict[str, Any]) -> str:
        """The texts of a newest minute's flags, and why a newer reading does not count."""
        texts = self.flags(minute["flags"])
        excluded = minute["excluded"]
        if excluded is None:
            return texts
        reason = f"{self.texts['excluded_now']}: {self.flags(excluded['flags']) or self.texts['no_valid']}"
        return f"{texts}; {reason}" if texts else reason

    def reasons(self, codes: list[str]) -> str:
        """The texts of reason codes."""
        return "; ".join(vocabulary.reason_text(code, self.language) for code in codes)

    def number(self, value: float | None) -> str:
        """A number in about three digits; a dash for None."""
        return "–" if value is None else vocabulary.format_number(value, self.language)

    def plain_number(self, value: float) -> str:
        """A number with all its digits, as configured."""
        return vocabulary.localize_decimal(f"{value:g}", self.language)

    def percent(self, value: float) -> str:
        """A share in whole percents, without the sign."""
        return f"{100 * value:.0f}"

    def time_of_day(self, text: str | None) -> str:
        """Local time of day."""
        return "–" if text is None else f"{_local(text):%H:%M:%S}"

    def short_date_time(self, text: str) -> str:
        """Local date and time, without the date if it is today."""
        at = _local(text)
        return f"{at:%H:%M}" if at.date() == self.now.astimezone(LOCAL_TIMEZONE).date() else self.date_time(text)

    def date_time(self, text: str) -> str:
        """Local date and time, for pages that are stored, printed or read on another day."""
        at = _local(text)
        month = texts_of("month", self.language)[_MONTHS[at.month - 1]]
        return f"{at.day} {month} {at.year}, {at:%H:%M}"

    def date_time_seconds(self, text: str) -> str:
        """The same to the second."""
        return f"{self.date_time(text)}:{_local(text):%S}"

    def iso_date_time(self, text: str) -> str:
        """Local date and time to the second with the UTC offset, for a `title`."""
        return f"{_local(text):%Y-%m-%d %H:%M:%S %z}"

    def duration(self, start: str, end: str | None) -> str:
        """A duration as text; without an end it lasts until now."""
        ends_at = self.now if end is None else datetime.fromisoformat(end)
        return vocabulary.format_duration((ends_at - datetime.fromisoformat(start)).total_seconds(), self.language)

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

    def ratio(self, peak: float, background: float) -> str:
        """The peak as a multiple of the background; empty below 1.5 times or without a background."""
        return vocabulary.format_ratio(peak, background, self.language)

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
                here=path_without_language,
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
        request=request, language=language, prefix=prefix, latest_values=latest_values, settings=settings, now=now
    )


def find_newest(minutes: Iterable[Minute]) -> str | None:
    """When the newest valid value of these was read; None without one."""
    return max((minute.observed_at for minute in minutes if minute.observed_at is not None), default=None)


def respond_html(view: View, content: bytes, status: int = 200) -> HTMLResponse:
    """The page as a response, with gzip if the browser accepts it."""
    cache_control = "public, max-age=2" if status == 200 else "no-store"
    headers = {
        "Cache-Control": cache_control,
        "Content-Language": view.language,
        "Vary": "Accept-Language, Accept-Encoding",
    }
    if "gzip" in view.request.headers.get("accept-encoding", ""):
        content, headers["Content-Encoding"] = gzip.compress(content, compresslevel=5, mtime=0), "gzip"
    return HTMLResponse(content, status, headers)


def respond_missing(view: View) -> HTMLResponse:
    """The 404 page."""
    return respond_html(view, view.render("missing.html"), 404)


def strip_licence(document: Schema) -> dict[str, Any]:
    """A document as the API shows it, without licence and attribution: the page has these already."""
    fields: dict[str, Any] = to_builtins(document)
    return {name: value for name, value in fields.items() if name not in {"licence", "attribution"}}


def _local(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(LOCAL_TIMEZONE)
