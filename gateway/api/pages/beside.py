"""The parts of the pages of an event and a plume that others measured or stated: the region, and statements."""

from collections.abc import Sequence
from datetime import datetime

from gateway.api.data.context_values import StoredContext
from gateway.api.pages.region import fetch_event_region, list_region_values
from gateway.api.pages.renderer import View
from gateway.api.pages.statements import describe_delay, fetch_event_statements, name_sites
from gateway.api.schemas.events import Event


async def build_beside(view: View, event: Event, region: Sequence[StoredContext] | None = None) -> dict[str, object]:
    """The values of `event_region.html` and `event_statements.html`. `region`: values that are loaded already."""
    statements = await fetch_event_statements(view, event)
    peak_at = datetime.fromisoformat(event.peak_at)
    if region is None:
        region = await fetch_event_region(view, event.area, event.observed_property, (peak_at, peak_at))
    has_statements = statements.complaints or statements.site_reports or statements.site_values
    return {
        "others": statements if has_statements else None,
        "region": list_region_values(view, region, peak_at),
        "names": name_sites(view.registry),
        "delay": lambda seconds: describe_delay(view, seconds),
    }
