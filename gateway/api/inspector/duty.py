"""The duty: who is notified now and tonight by alerting's own policy, test messages, and hand-overs.

The duty page calls it. Functions raise HTTPException as `service` does; 404 where alerting's settings are not known.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from fastapi import HTTPException, Request
from msgspec import Struct

from alerting.alert import Severity
from alerting.decide.outlook import DutyTurn, OutlookStep, build_sample_alert, list_outlook, list_turns
from alerting.delivery.addressees import iter_outcomes
from alerting.dispatch.decision_store import DecisionStore
from alerting.record.inspector_session import open_session
from alerting.record.workplace import Handover
from alerting.settings import AlertingSettings
from gateway.access.authorization import require_scope
from gateway.access.identity import Scope
from gateway.api.data.registry import StationRow
from gateway.api.inspector import inbox, service
from gateway.api.inspector.inbox import InboxFilters

_HOURS = 24
_TURN_DAYS = 14
_TEST_PAUSE = 30.0  # seconds between test messages to one receiver


class RosterOutlook(Struct, frozen=True, kw_only=True):
    """The turns of one roster."""

    name: str
    turns: Sequence[DutyTurn]


class TrialOutcome(Struct, frozen=True, kw_only=True):
    """The outcome of a test message for one addressee of a channel; `detail` is a stored detail."""

    channel: str
    addressee: str
    outcome: str
    detail: str


class Duty:
    """Alerting's policy as its workers have it, and when receivers last got a test message."""

    def __init__(self, settings: AlertingSettings, dsn: str) -> None:
        self.settings, self._dsn = settings, dsn
        self._decisions = DecisionStore(settings)
        self._lock = asyncio.Lock()
        self._tested_at: dict[str, float] = {}

    async def foresee(self, station: StationRow, name: str, severity: Severity, now: datetime) -> list[OutlookStep]:
        """The decisions about a peak at this station, now and wherever they change within a day."""
        async with self._lock, open_session(self._dsn) as connection:
            await self._decisions.refresh(connection)
        alert = build_sample_alert(
            area=station.area,
            station=station.id,
            name=station.name,
            latitude=station.latitude,
            longitude=station.longitude,
            observed_property=name,
            severity=severity,
            at=now,
        )
        policy, end = self._decisions.policy, now + timedelta(hours=_HOURS)
        return await asyncio.to_thread(list_outlook, policy, alert, now, end)

    def list_rosters(self, now: datetime) -> list[RosterOutlook]:
        """The turns of every roster in the next fourteen days."""
        end = now + timedelta(days=_TURN_DAYS)
        return [RosterOutlook(name=roster.name, turns=list_turns(roster, now, end)) for roster in self.settings.roster]

    async def send_test(self, receiver: str) -> list[TrialOutcome]:
        """Send a test message through every channel of the receiver; 429 shortly after another one."""
        now = time.monotonic()
        if now - self._tested_at.get(receiver, float("-inf")) < _TEST_PAUSE:
            raise HTTPException(429, f"wait {_TEST_PAUSE:.0f} seconds between two tests", {"Retry-After": "30"})
        self._tested_at[receiver] = now
        from alerting.dispatch.trial_message import send_test  # noqa: PLC0415 - loads every channel, for a rare use

        return [
            TrialOutcome(channel=channel, addressee=addressee, outcome=outcome.value, detail=detail)
            async for channel, delivery in send_test(self.settings, receiver)
            for addressee, outcome, detail in iter_outcomes(delivery)
        ]


def find_duty(request: Request) -> Duty | None:
    """The duty; None if this API does not know alerting's settings."""
    service.require_inspector(request)
    duty: Duty | None = request.app.state.duty
    return duty


async def foresee(request: Request, station: StationRow, name: str, severity: Severity) -> list[OutlookStep]:
    """As `Duty.foresee`; empty if this API does not know alerting's settings."""
    duty = find_duty(request)
    if duty is None:
        return []
    with service.translate_database_errors():
        return await duty.foresee(station, name, severity, datetime.now(UTC))


async def send_test_message(request: Request, receiver: str) -> list[TrialOutcome]:
    """Send a test message and record it in the audit log; 404 for an unknown receiver."""
    duty = find_duty(request)
    if duty is None or duty.settings.find_receiver(receiver) is None:
        raise HTTPException(404, "there is no such receiver")
    with service.translate_database_errors():
        await require_scope(request, Scope.ANSWER_ALERTS, f"test message {receiver}", _any_own_area(request))
    return await duty.send_test(receiver)


async def hand_over(request: Request, successor: str, text: str) -> None:
    """Record a hand-over with the plumes that are open now; 400 without a successor."""
    identity = service.require_inspector(request)
    name = service.to_single_line(successor)[:100]
    if not name:
        raise HTTPException(400, "successor: write who takes over")
    plumes = await list_open_plumes(request)
    with service.translate_database_errors():
        await require_scope(request, Scope.ANSWER_ALERTS, f"hand-over to {name}", _any_own_area(request))
        await inbox.workplace(request).add_handover(
            sorted(identity.areas), service.author_name(identity), name, service.to_single_line(text), plumes
        )


def _any_own_area(request: Request) -> str | None:
    """An area of the inspector, for what belongs to no area; None: every area."""
    areas = service.readable_areas(service.require_inspector(request))
    return None if areas is None else next(iter(areas), "")


async def list_open_plumes(request: Request) -> list[str]:
    """The ids of the plumes that go on in the inspector's areas, at most fifty."""
    areas = inbox.limit_to_own_areas(request, "")
    ids: list[str] = []
    for state in ("new", "acknowledged"):
        items, _ = await inbox.list_inbox(request, InboxFilters(areas=areas, state=state))
        ids += [item.plume.id for item in items]
    return ids


async def list_handovers(request: Request) -> list[Handover]:
    """The newest hand-overs that concern the inspector's areas."""
    identity = service.require_inspector(request)
    with service.translate_database_errors():
        return await inbox.workplace(request).list_handovers(service.readable_areas(identity))
