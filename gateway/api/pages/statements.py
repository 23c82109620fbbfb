"""`/site-reports`: how long after measured peaks the operators of sites reported incidents themselves."""

from datetime import timedelta

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from alerting.vocabulary import format_duration
from gateway.api.data.database import Database
from gateway.api.data.registry import PublicRegistry
from gateway.api.data.site_statements import load_event_statements, load_matched_reports
from gateway.api.data.statement_documents import build_report, build_statements, build_times
from gateway.api.http.cache import TtlCache
from gateway.api.pages.renderer import View, ViewDependency, respond_html
from gateway.api.routes.statements import DEFAULT_PERIOD
from gateway.api.schemas.events import Event
from gateway.api.schemas.statements import EventStatements
from gateway.model.timestamps import format_instant

router = APIRouter()
_SHOWN_REPORTS = 50
_CACHE_SECONDS = 60.0


@router.get("/site-reports")
async def show_site_reports(view: ViewDependency) -> HTMLResponse:
    """The reports of the last year."""
    period = view.now - DEFAULT_PERIOD, view.now + timedelta(seconds=1)
    cache: TtlCache = view.request.app.state.status_cache
    database: Database = view.request.app.state.database
    matches = await cache.get("site_reports", _CACHE_SECONDS, lambda: load_matched_reports(database, None, period))
    page = view.render(
        "site_reports.html",
        times=build_times(view.registry, matches),
        reports=[build_report(match) for match in matches[:_SHOWN_REPORTS]],
        total=len(matches),
        names=name_sites(view.registry),
        since=format_instant(period[0]),
        delay=lambda seconds: describe_delay(view, seconds),
        short_delay=lambda seconds: shorten_delay(view, seconds),
    )
    return respond_html(view, page)


def name_sites(registry: PublicRegistry) -> dict[str, str]:
    """Names of the watched sites by id."""
    return {row.id: row.name for row in registry.sites.values()}


def describe_delay(view: View, seconds: float) -> str:
    """How long after or before the onset of a peak a report came."""
    key = "report_later" if seconds >= 0 else "report_earlier"
    return view.texts[key].format(duration=format_duration(abs(seconds), view.language))


def shorten_delay(view: View, seconds: float) -> str:
    """The same for a table whose heading names the onset; a time before an onset is marked."""
    duration = format_duration(abs(seconds), view.language)
    return duration if seconds >= 0 else view.texts["report_before"].format(duration=duration)


async def fetch_event_statements(view: View, event: Event) -> EventStatements:
    """Statements of others about the time of an event, for its page."""
    statements = await load_event_statements(view.request.app.state.database, view.registry, event, view.now)
    return build_statements(event.id, statements, "")
