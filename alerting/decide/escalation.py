"""What happens while nobody answers: who was told is reminded, then somebody else is told. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from alerting.decide.on_call import Rosters
from alerting.decide.reason_detail import Code, kept
from alerting.decide.routing import Reason, Route, Verdict


class Watched(Struct, frozen=True, kw_only=True):
    """An event that is not over, that nobody has acknowledged, and that `receiver` was told of."""

    receiver: str
    told_at: datetime
    last_at: datetime
    escalated: bool


def waits(route: Route) -> Iterator[float]:
    """The minutes after which the route does anything."""
    if route.remind_minutes is not None:
        yield route.remind_minutes
    if route.escalate_to is not None:
        yield route.escalate_minutes


def due(watched: Watched, routes: Sequence[Route], rosters: Rosters, now: datetime) -> list[Verdict]:
    """What to tell now because nobody answered; `routes` are those that fit the alert and lead to the receiver."""
    verdicts = []
    for route in routes:
        if route.remind_minutes is not None and now >= watched.last_at + timedelta(minutes=route.remind_minutes):
            verdicts.append(Verdict(receiver=watched.receiver, told=True, reason=Reason.REMINDED))
            break
    for route in routes:
        waited = now >= watched.told_at + timedelta(minutes=route.escalate_minutes)
        if route.escalate_to is not None and waited and not watched.escalated:
            detail = kept(Code.UNANSWERED, receiver=watched.receiver, at=watched.told_at)
            receiver = rosters.on_duty(route.escalate_to, now)
            verdicts.append(Verdict(receiver=receiver, told=True, reason=Reason.ESCALATED, detail=detail))
            break
    return verdicts
