"""Which receivers an alert goes to, and why not to the others. Pure and total."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from alerting.alert import Alert, Severity
from alerting.matcher import Matching


class Reason(StrEnum):
    """Why a receiver is told of an alert, or not. Kept with every alert; also a metric's label."""

    ROUTED = "routed"
    NO_ROUTE = "no_route"
    NOT_SURE_ENOUGH = "not_sure_enough"
    DETECTED_LATE = "detected_late"  # kept for the record and the digest, never paged as if it were now
    NOT_WORSE = "not_worse"  # an update that says nothing new to who was told already
    NEVER_TOLD = "never_told"  # the end of something they were not told of
    SILENCED = "silenced"
    KNOWN_SOURCE = "known_source"
    REMINDED = "reminded"  # nobody answered
    ESCALATED = "escalated"  # nobody answered those who were told first
    UNREADABLE = "unreadable"  # written by a version that this one cannot read


class Route(Struct, frozen=True, kw_only=True):
    """`[[alerting.route]]`: all of `match` must fit.

    Routes are tried in order; the first that fits ends it, unless it says `go_on`. While nobody acknowledges,
    the receiver is reminded every `remind_minutes`, and `escalate_to` is told once after `escalate_minutes`.
    """

    receiver: str
    match: list[str] = []
    least_severity: Severity = Severity.MINOR
    least_confidence: Annotated[float, Meta(ge=0, le=1)] = 0.5
    go_on: bool = False
    remind_minutes: Annotated[float, Meta(gt=0)] | None = None
    escalate_to: str | None = None
    escalate_minutes: Annotated[float, Meta(gt=0)] = 15.0


class Verdict(Struct, frozen=True, kw_only=True):
    """Whether one receiver is told, and the reason; `detail` names the silence or the source."""

    receiver: str
    told: bool
    reason: Reason
    detail: str = ""


def route(alert: Alert, routes: Matching[Route]) -> list[Verdict]:
    """One verdict for each route that fits; NO_ROUTE in the name of nobody where none does.

    A receiver that two routes lead to is told once: if either would tell it.
    """
    verdicts: dict[str, Verdict] = {}
    for one in routes.fitting(alert.labels):
        if alert.severity.rank < one.least_severity.rank and alert.firing:
            continue
        before = verdicts.get(one.receiver)
        if before is None or not before.told:
            verdicts[one.receiver] = _weigh(alert, one)
        if not one.go_on:
            break
    return list(verdicts.values()) or [Verdict(receiver="", told=False, reason=Reason.NO_ROUTE)]


def _weigh(alert: Alert, chosen: Route) -> Verdict:
    reason = Reason.ROUTED
    if alert.detected_late and alert.firing:
        reason = Reason.DETECTED_LATE
    elif alert.confidence < chosen.least_confidence and alert.firing:
        reason = Reason.NOT_SURE_ENOUGH
    return Verdict(receiver=chosen.receiver, told=reason is Reason.ROUTED, reason=reason)
