"""Reminders and escalation while nobody acknowledges: remind the receiver, then notify another. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from alerting.decide.on_call import Rosters
from alerting.decide.reason_detail import DetailCode, encode_detail
from alerting.decide.routing import Decision, DecisionReason, Route


class UnacknowledgedAlert(Struct, frozen=True, kw_only=True):
    """An open event that `receiver` was notified of and that nobody has acknowledged."""

    receiver: str
    notified_at: datetime
    last_notified_at: datetime
    escalated: bool


def iter_delays(route: Route) -> Iterator[float]:
    """Yield the minutes after which the route reminds or escalates."""
    if route.remind_minutes is not None:
        yield route.remind_minutes
    if route.escalate_to is not None:
        yield route.escalate_minutes


def decide_reminders(
    alert: UnacknowledgedAlert, routes: Sequence[Route], rosters: Rosters, now: datetime
) -> list[Decision]:
    """Return what is due now without an acknowledgement; `routes`: those that match and lead to the receiver."""
    due = (_decide_reminder(alert, routes, now), _decide_escalation(alert, routes, rosters, now))
    return [decision for decision in due if decision is not None]


def _decide_reminder(alert: UnacknowledgedAlert, routes: Sequence[Route], now: datetime) -> Decision | None:
    for route in routes:
        if route.remind_minutes is not None and now >= alert.last_notified_at + timedelta(minutes=route.remind_minutes):
            return Decision(receiver=alert.receiver, notify=True, reason=DecisionReason.REMINDED)
    return None


def _decide_escalation(
    alert: UnacknowledgedAlert, routes: Sequence[Route], rosters: Rosters, now: datetime
) -> Decision | None:
    for route in routes:
        is_overdue = now >= alert.notified_at + timedelta(minutes=route.escalate_minutes)
        if route.escalate_to is not None and is_overdue and not alert.escalated:
            detail = encode_detail(DetailCode.UNANSWERED, receiver=alert.receiver, at=alert.notified_at)
            receiver = rosters.resolve(route.escalate_to, now)
            return Decision(receiver=receiver, notify=True, reason=DecisionReason.ESCALATED, detail=detail)
    return None
