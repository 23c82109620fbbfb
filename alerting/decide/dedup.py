"""Whether this revision of an event is news for a receiver, after its earlier notifications. Pure."""

from datetime import datetime, timedelta

from msgspec import Struct, structs

from alerting.alert import Alert, Change, Severity
from alerting.decide.reason_detail import DetailCode, encode_detail
from alerting.decide.routing import Decision, DecisionReason


class LastNotified(Struct, frozen=True, kw_only=True):
    """Last severity sent to a receiver for a plume; `of_this_event`: whether any notification was for this event."""

    severity: Severity
    of_this_event: bool = True


def deduplicate(alert: Alert, decision: Decision, last: LastNotified | None, *, rose_at_end: bool = False) -> Decision:
    """Notify for the first event of a plume, then only if severity rises.

    An end notifies if the receiver was notified of the event, or if only the end raised severity (`rose_at_end`).
    """
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
    """Decide about an end or a correction for a notified receiver; an end waits until the plume is `calm`."""
    decision = Decision(receiver=receiver, notify=True, reason=DecisionReason.ROUTED)
    if not last.of_this_event:
        return _suppress(decision, DecisionReason.NEVER_TOLD)
    if alert.change is Change.ENDED and not calm:
        return _suppress(decision, DecisionReason.CALM_AWAITED)
    return decision


class PlumeSeverity(Struct, frozen=True, kw_only=True):
    """A plume's present severity, since when, and the severity that a receiver was last notified of."""

    receiver: str
    last_notified: Severity
    current: Severity
    since: datetime


def decide_severity_drop(severity: PlumeSeverity, now: datetime, hold: timedelta) -> Decision | None:
    """Notify of a lower severity once it has held for `hold`, so that a brief rise brings one notification."""
    if severity.current.rank >= severity.last_notified.rank or now - severity.since < hold:
        return None
    detail = encode_detail(DetailCode.FELL, was=severity.last_notified.value, now=severity.current.value)
    return Decision(receiver=severity.receiver, notify=True, reason=DecisionReason.EASED, detail=detail)


def _suppress(decision: Decision, reason: DecisionReason) -> Decision:
    return structs.replace(decision, notify=False, reason=reason)
