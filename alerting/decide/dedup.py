"""Whether this revision of an event is news for a receiver, after its earlier notifications. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct, structs

from alerting.alert import Alert, Change, Severity
from alerting.decide.reason_detail import DetailCode, encode_detail
from alerting.decide.routing import Decision, DecisionReason


class LastNotified(Struct, frozen=True, kw_only=True):
    """The newest notification of a receiver for a plume.

    severity        the last severity sent
    of_this_event   whether any notification was for this event
    of_its_end      whether the last notification for this event was of its end
    of_plume_end    whether any notification was of an end, which speaks of the whole plume
    """

    severity: Severity
    of_this_event: bool = True
    of_its_end: bool = False
    of_plume_end: bool = False


class EarlierRevisions(Struct, frozen=True, kw_only=True):
    """Facts about the end of an event that follow from its earlier revisions.

    rose_at_end    the end has a higher severity than every earlier revision
    is_found_over  the event was over when it was detected, or was detected in late data: too late for a notification
    has_changed    severity, peak or end differ from those of the revision before
    """

    rose_at_end: bool = False
    is_found_over: bool = False
    has_changed: bool = True


NO_EARLIER_REVISIONS = EarlierRevisions()


def compare_revisions(alert: Alert, earlier: Sequence[Alert]) -> EarlierRevisions:
    """Compare an alert that is not firing with the earlier revisions of its event, oldest first."""
    is_end = alert.change is Change.ENDED
    highest = max((revision.severity.rank for revision in earlier), default=None)
    return EarlierRevisions(
        rose_at_end=is_end and highest is not None and alert.severity.rank > highest,
        is_found_over=is_end and (alert.detected_late or not earlier),
        has_changed=not earlier or _end_facts(alert) != _end_facts(earlier[-1]),
    )


def _end_facts(alert: Alert) -> tuple[object, ...]:
    return alert.severity, alert.peak, alert.unit, alert.onset, alert.end


def deduplicate(alert: Alert, decision: Decision, last: LastNotified | None, *, rose_at_end: bool = False) -> Decision:
    """Notify for the first event of a plume, then only if severity rises or an event goes on after its end.

    An end notifies if the receiver was notified of the event, or if only the end raised severity (`rose_at_end`).
    """
    if not decision.notify:
        return decision
    if last is None:
        return decision if alert.firing or rose_at_end else _suppress(decision, DecisionReason.NEVER_TOLD)
    if alert.severity.rank > last.severity.rank:
        return decision
    if alert.firing and last.of_its_end:
        return structs.replace(decision, reason=DecisionReason.REOPENED)
    if not last.of_this_event:
        return _suppress(decision, DecisionReason.SAME_PLUME)
    return _suppress(decision, DecisionReason.NOT_WORSE) if alert.change is Change.UPDATED else decision


def decide_end(alert: Alert, receiver: str, last: LastNotified, *, calm: bool, has_changed: bool = True) -> Decision:
    """Decide about an end or a correction for a notified receiver; an end waits until the plume is `calm`.

    A receiver that was notified of an end got the figures of the whole plume. A later change of any of its
    events corrects that (`has_changed`: the figures differ).
    """
    decision = Decision(receiver=receiver, notify=True, reason=DecisionReason.ROUTED)
    is_end = alert.change is Change.ENDED
    if not last.of_this_event and not last.of_plume_end:
        return _suppress(decision, DecisionReason.NEVER_TOLD)
    if is_end and not calm:
        return _suppress(decision, DecisionReason.CALM_AWAITED)
    if not last.of_this_event or (is_end and last.of_its_end):
        corrected = structs.replace(decision, reason=DecisionReason.CORRECTED)
        return corrected if has_changed or not is_end else _suppress(decision, DecisionReason.NOT_WORSE)
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
