"""Forms that silence alerts: around an alert, or at a station, a site or in an area without any alert.

A silence is shown with what it would withhold before it is made. Plain forms, as of all pages for inspectors.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Query
from fastapi.responses import Response

from alerting.record.cases import Case, SilenceRequest
from alerting.vocabulary import LOCAL_TIMEZONE
from gateway.access.identity import Identity
from gateway.api.inspector import service
from gateway.api.pages.inspector_page import is_own, redirect, render_page, render_problems
from gateway.api.pages.renderer import View, ViewDependency

router = APIRouter()
NIGHT = "night"  # in the place of hours: until the end of the night
SILENCE_HOURS = ("1", "4", "8", NIGHT, "24", "72", "168")
_NIGHT_ENDS = 7  # o'clock, local time
_MAX_HOURS = 168
_SITE = "site:"  # before the name of a site, among the choices around an alert
HoursText = Annotated[str, Query(max_length=5)]
ChoiceText = Annotated[str, Query(max_length=200)]


@dataclass(frozen=True, kw_only=True)
class SilencePlace:
    """A choice of the form without an alert: `value` is sent, `name` is shown."""

    value: str
    name: str


@dataclass(frozen=True, kw_only=True)
class SilenceForm:
    """The fields as they were filled in: an event and what around it, or a place and perhaps a property."""

    event: str
    what: str
    place: str
    observed_property: str
    hours: str
    reason: str
    kind: str


@router.get("/inspector/silence")
async def show_preview(  # noqa: PLR0917 - the fields of a form
    view: ViewDependency,
    hours: HoursText,
    event: ChoiceText = "",
    what: ChoiceText = "",
    place: ChoiceText = "",
    property_: Annotated[str, Query(alias="property", max_length=100)] = "",
    reason: Annotated[str, Query(max_length=1_000)] = "",
    kind: Annotated[str, Query(max_length=20)] = "silence",
) -> Response:
    """The events that a silence would withhold; changes nothing."""
    form = SilenceForm(
        event=event, what=what, place=place, observed_property=property_, hours=hours, reason=reason, kind=kind
    )

    async def make() -> Response:
        silence_request = await _build_silence_request(view, form, reason or "-")
        items = await service.preview_silence(view.request, silence_request)
        return render_page(
            view,
            "inspector_silence.html",
            silence_request=silence_request,
            items=items,
            form=form,
            reason_missing=not reason.strip(),
        )

    return await render_problems(view, make)


@router.post("/inspector/silences")
async def create_silence(  # noqa: PLR0917 - the fields of a form
    view: ViewDependency,
    hours: Annotated[str, Form(max_length=5)],
    reason: Annotated[str, Form(max_length=1_000)],
    event: Annotated[str, Form(max_length=100)] = "",
    what: Annotated[str, Form(max_length=200)] = "",
    place: Annotated[str, Form(max_length=200)] = "",
    property_: Annotated[str, Form(alias="property", max_length=100)] = "",
    kind: Annotated[str, Form(max_length=20)] = "silence",
) -> Response:
    """Create the silence."""
    form = SilenceForm(
        event=event, what=what, place=place, observed_property=property_, hours=hours, reason=reason, kind=kind
    )

    async def make() -> Response:
        await service.create_silence(view.request, await _build_silence_request(view, form, reason))
        return redirect(view, "inspector/duty#silences")

    return await render_problems(view, make)


@router.post("/inspector/silences/{number}/end")
async def end_silence(view: ViewDependency, number: int) -> Response:
    """End a silence now."""

    async def make() -> Response:
        await service.end_silence(view.request, number)
        return redirect(view, "inspector/duty#silences")

    return await render_problems(view, make)


def list_places(view: View, identity: Identity) -> list[SilencePlace]:
    """The stations, sites and areas that an inspector may silence."""
    registry = view.registry
    stations = [row for row in registry.stations.values() if is_own(identity, row.area)]
    sites = [row for row in registry.sites.values() if is_own(identity, row.area)]
    areas = [row for row in registry.areas.values() if is_own(identity, row.id)]
    return [
        *(SilencePlace(value=f"station:{row.id}", name=row.name) for row in sorted(stations, key=lambda row: row.name)),
        *(SilencePlace(value=f"{_SITE}{row.id}", name=row.name) for row in sorted(sites, key=lambda row: row.name)),
        *(SilencePlace(value=f"area:{row.id}", name=row.name) for row in sorted(areas, key=lambda row: row.name)),
    ]


def list_silence_choices(case: Case) -> dict[str, Sequence[str]]:
    """The choices of what to silence around one alert, each with its matchers besides the area."""
    alert = case.alert
    if alert.is_about_network:
        return {"network": [f'kind="{alert.kind}"']}
    station_matcher, property_matcher = f'station="{alert.station}"', f'property="{alert.observed_property}"'
    return {
        "station": [station_matcher],
        "property": [station_matcher, property_matcher],
        "area": [property_matcher],
        **{f"{_SITE}{site.name}": [f'site="{site.name}"'] for site in alert.sites},
    }


def parse_end(hours: str, now: datetime) -> datetime:
    """When a silence of so many hours ends, or one for the night. Raises HTTPException 400."""
    if hours == NIGHT:
        local = now.astimezone(LOCAL_TIMEZONE)
        ends_at = local.replace(hour=_NIGHT_ENDS, minute=0, second=0, microsecond=0)
        if ends_at <= local:
            ends_at = (local + timedelta(days=1)).replace(hour=_NIGHT_ENDS, minute=0, second=0, microsecond=0)
        return ends_at.astimezone(UTC)
    if not (hours.isascii() and hours.isdecimal() and 1 <= int(hours) <= _MAX_HOURS):
        raise HTTPException(400, f"hours: write a number from 1 to {_MAX_HOURS}, or {NIGHT}")
    return now + timedelta(hours=int(hours))


async def _build_silence_request(view: View, form: SilenceForm, reason: str) -> SilenceRequest:
    ends_at = parse_end(form.hours, datetime.now(UTC))
    if form.event:
        case = await service.get_case(view.request, form.event)
        area: str | None = case.alert.area or None
        matchers = list_silence_choices(case).get(form.what)
        if matchers is None:
            raise HTTPException(400, f"what: {form.what[:20]!r} is nothing that can be silenced here")
    else:
        area, matchers = _read_place(view, form)
    return await service.build_silence_request(area, matchers, reason, None, ends_at, form.kind)


def _read_place(view: View, form: SilenceForm) -> tuple[str, Sequence[str]]:
    """The area of a place, and the matchers besides it. Raises HTTPException 400."""
    service.require_inspector(view.request)
    registry, (kind, _, id_) = view.registry, form.place.partition(":")
    property_matchers = [f'property="{form.observed_property}"'] if form.observed_property else []
    if form.observed_property and form.observed_property not in registry.properties:
        raise HTTPException(400, f"property: {form.observed_property[:40]!r} is not measured here")
    if kind == "station" and id_ in registry.stations:
        return registry.stations[id_].area, [f'station="{id_}"', *property_matchers]
    if kind == "site" and id_ in registry.sites:
        return registry.sites[id_].area, [f'site="{registry.sites[id_].name}"', *property_matchers]
    if kind == "area" and id_ in registry.areas:
        if not property_matchers:
            raise HTTPException(400, "property: choose one too if you silence a whole area")
        return id_, property_matchers
    raise HTTPException(400, f"place: {form.place[:40]!r} is no station, site or area here")
