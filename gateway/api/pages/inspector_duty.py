"""`/inspector/duty`: who is notified now and tonight, what is silenced, hand-overs, and test messages.

Plain pages and forms, so that it works without JavaScript and with one thumb.
"""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Form, Query
from fastapi.responses import Response

from alerting.alert import Severity
from alerting.decide.reason_detail import describe_detail
from alerting.decide.routing import Decision
from alerting.record.history import channel_name, decision_reason_text, outcome_text
from gateway.api.data.registry import StationRow
from gateway.api.inspector import duty, plume_service, service
from gateway.api.inspector.duty import TrialOutcome
from gateway.api.pages.inspector_page import list_own_stations, redirect, render_page, render_problems
from gateway.api.pages.inspector_silence import SILENCE_HOURS, list_places
from gateway.api.pages.renderer import View, ViewDependency
from gateway.model.properties import SHOWN_PROPERTIES
from gateway.model.texts import texts_of

router = APIRouter()
TextParameter = Annotated[str, Query(max_length=100)]
_DEFAULT_PROPERTY = "pm2_5"


@router.get("/inspector/duty")
async def show_duty(
    view: ViewDependency,
    station: TextParameter = "",
    property_: Annotated[str, Query(alias="property", max_length=100)] = _DEFAULT_PROPERTY,
    severity: TextParameter = Severity.SEVERE.value,
) -> Response:
    """The duty, with the outlook for a peak at one station. A choice that cannot be read is ignored."""

    async def make() -> Response:
        return await _render(view, station, property_, severity)

    return await render_problems(view, make)


async def _render(
    view: View, station: str, name: str, severity: str, *, tested: str = "", outcomes: Sequence[TrialOutcome] = ()
) -> Response:
    request = view.request
    identity = service.require_inspector(request)
    stations = list_own_stations(view, identity)
    chosen = next((row for row in stations if row.id == station), stations[0] if stations else None)
    known_name = name if name in view.registry.properties else _DEFAULT_PROPERTY
    level = Severity(severity) if severity in set(Severity) else Severity.SEVERE
    known_duty = duty.find_duty(request)
    steps = [] if chosen is None else await duty.foresee(request, chosen, known_name, level)
    return render_page(
        view,
        "inspector_duty.html",
        stations=stations,
        chosen=chosen,
        name=known_name,
        level=level.value,
        levels=[value.value for value in Severity],
        measured=_list_measured(view, chosen),
        steps=[(step.at.isoformat(), [_describe_decision(view, item) for item in step.decisions]) for step in steps],
        rosters=[] if known_duty is None else known_duty.list_rosters(view.now),
        is_known=known_duty is not None,
        silences=[(silence, service.can_end(identity, silence)) for silence in await service.list_silences(request)],
        places=list_places(view, identity),
        properties=_list_all_measured(view),
        hours=SILENCE_HOURS,
        set_aside=await service.find_silences_set_aside(request),
        sources=await plume_service.list_sources(request),
        configured=[] if known_duty is None else known_duty.settings.known_source,
        handovers=await duty.list_handovers(request),
        open_plumes=await duty.list_open_plumes(request),
        receivers=[] if known_duty is None else [receiver.name for receiver in known_duty.settings.receiver],
        tested=tested,
        outcomes=[_describe_outcome(view, outcome) for outcome in outcomes],
    )


@router.post("/inspector/duty/test")
async def send_test(view: ViewDependency, receiver: Annotated[str, Form(max_length=63)]) -> Response:
    """Send a test message, and show the outcome of each channel and addressee."""

    async def make() -> Response:
        outcomes = await duty.send_test_message(view.request, receiver)
        return await _render(view, "", _DEFAULT_PROPERTY, Severity.SEVERE.value, tested=receiver, outcomes=outcomes)

    return await render_problems(view, make)


@router.post("/inspector/duty/handover")
async def hand_over(
    view: ViewDependency,
    successor: Annotated[str, Form(max_length=200)],
    text: Annotated[str, Form(max_length=1_000)] = "",
) -> Response:
    """Record a hand-over."""

    async def make() -> Response:
        await duty.hand_over(view.request, successor, text)
        return redirect(view, "inspector/duty#handover")

    return await render_problems(view, make)


def _describe_decision(view: View, decision: Decision) -> str:
    """One decision of the policy in one line."""
    texts = texts_of("inspector", view.language)
    reason = decision_reason_text(decision.reason.value, view.language)
    detail = describe_detail(decision.detail, view.language)
    why = f"{reason} ({detail})" if detail else reason
    if not decision.receiver:
        return texts["duty_nobody"].format(why=why)
    return texts["duty_notified" if decision.notify else "duty_not_notified"].format(
        receiver=decision.receiver, why=why
    )


def _describe_outcome(view: View, outcome: TrialOutcome) -> str:
    channel, addressee = channel_name(outcome.channel), outcome.addressee
    text = f"{outcome_text(outcome.outcome, view.language)} ({describe_detail(outcome.detail, view.language)})"
    return f"{channel}, {addressee}: {text}" if addressee else f"{channel}: {text}"


def _list_all_measured(view: View) -> Sequence[str]:
    """The properties that are measured and shown."""
    measured = {row.observed_property for row in view.registry.datastreams.values()}
    return [name for name in SHOWN_PROPERTIES if name in measured]


def _list_measured(view: View, station: StationRow | None) -> Sequence[str]:
    if station is None:
        return []
    own = (row for row in view.registry.datastreams.values() if row.station == station.id)
    return list(dict.fromkeys(row.observed_property for row in own))
