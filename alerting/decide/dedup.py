"""Whether a receiver learns anything new from this revision of an event. Pure."""

from datetime import datetime, timedelta

from msgspec import Struct, structs

from alerting.alert import Alert, Change, Severity
from alerting.decide.reason_detail import DetailCode, encode_detail
from alerting.decide.routing import Decision, DecisionReason


class LastNotified(Struct, frozen=True, kw_only=True):
    """How bad a receiver believes the plume to be that an event belongs to; `this`: it was told of this very event."""

    severity: Severity
    of_this_event: bool = True


def deduplicate(alert: Alert, decision: Decision, last: LastNotified | None, *, rose_at_end: bool = False) -> Decision:
    """A plume's first event is told, later ones and updates where it got worse, an end where only that did (`rose`)."""
    if not decision.notify:
        return decision
    if last is None:
        return decision if alert.firing or rose_at_end else _suppress(decision, DecisionReason.NEVER_TOLD)
    if alert.severity.rank > last.severity.rank:
        return decision
    if not last.of_this_event:
        return _suppress(decision, DecisionReason.SAME_PLUME)
    return _suppress(decision, DecisionReason.NOT_WORSE) if alert.change is Change.UPDATED else decision


def decide_end(alert: Alert, receiver: str, last: LastNotified, *, calm: bool) -> Decision:
    """What somebody who was told hears of the end or of the correction; an end waits until the plume is `calm`."""
    decision = Decision(receiver=receiver, notify=True, reason=DecisionReason.ROUTED)
    if not last.of_this_event:
        return _suppress(decision, DecisionReason.NEVER_TOLD)
    if alert.change is Change.ENDED and not calm:
        return _suppress(decision, DecisionReason.CALM_AWAITED)
    return decision


class PlumeSeverity(Struct, frozen=True, kw_only=True):
    """How bad a plume is now, since when, and how bad a receiver still believes it to be."""

    receiver: str
    last_notified: Severity
    current: Severity
    since: datetime


def decide_severity_drop(severity: PlumeSeverity, now: datetime, hold: timedelta) -> Decision | None:
    """A fall is told once it has held: what goes up and down again within `hold` is told once."""
    if severity.current.rank >= severity.last_notified.rank or now - severity.since < hold:
        return None
    detail = encode_detail(DetailCode.FELL, was=severity.last_notified.value, now=severity.current.value)
    return Decision(receiver=severity.receiver, notify=True, reason=DecisionReason.EASED, detail=detail)


def _suppress(decision: Decision, reason: DecisionReason) -> Decision:
    return structs.replace(decision, notify=False, reason=reason)
