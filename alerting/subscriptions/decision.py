"""Whether a contact is notified of a plume now, later or not, and why. Pure.

A contact is notified once of a plume, again only if it gets worse, and of its end. A contact that was notified of a
peak that was none gets the correction, even if the subscription was paused or changed since. Quiet hours and the daily
cadence hold a notice, and the plume is decided again when it is released.
"""

from collections.abc import Sequence
from datetime import datetime, time
from enum import StrEnum

from msgspec import Struct

from alerting.alert import Alert, Severity
from alerting.plume import event_of_alert, rank_event
from alerting.subscriptions.quiet_hours import find_next
from alerting.subscriptions.subscription import Cadence, NoticeSubscription


class NoticeReason(StrEnum):
    """Why a contact is notified or not; stored with every delivery, and a metric's label."""

    FIRST = "first"  # the first notice about a plume that goes on
    WORSE = "worse"  # the severity has risen
    REOPENED = "reopened"  # the plume goes on after its end was notified
    ENDED = "ended"
    CORRECTED = "corrected"  # the contact was notified of a peak that was none
    LATE = "late"  # the plume was over, or long under way, when it was known
    SUMMARY = "summary"  # held plumes, in one notice
    CONFIRM = "confirm"  # the request to confirm a subscription
    WELCOME = "welcome"  # the first notice of a browser
    HELD_QUIET = "held_quiet"
    HELD_DAILY = "held_daily"
    OTHER_SUBJECT = "other_subject"  # another place or property
    BELOW_LEVEL = "below_level"
    NOT_SURE_ENOUGH = "not_sure_enough"
    GUEST = "guest"  # only stations of guests saw it
    NOT_WORSE = "not_worse"
    CALM_AWAITED = "calm_awaited"  # the end, until the plume has been calm
    PAUSED = "paused"
    NEVER_NOTIFIED = "never_notified"  # the correction of something that the contact was not notified of


NOTIFYING = frozenset({
    NoticeReason.FIRST, NoticeReason.WORSE, NoticeReason.REOPENED, NoticeReason.ENDED, NoticeReason.CORRECTED,
    NoticeReason.LATE,
})  # fmt: skip
HOLDING = frozenset({NoticeReason.HELD_QUIET, NoticeReason.HELD_DAILY})
_ABOUT_NOW = frozenset({NoticeReason.FIRST, NoticeReason.WORSE, NoticeReason.REOPENED})


class LastNotice(Struct, frozen=True, kw_only=True):
    """The last notice to a contact about a plume. `event_id`: the event that it led with."""

    event_id: str
    severity: Severity
    has_ended: bool = False
    is_voided: bool = False
    number: int = 1


class NoticeRules(Struct, frozen=True, kw_only=True):
    """The operator's rules: lowest confidences, and the local time of the daily notice."""

    confidence: float = 0.9
    confidence_corroborated: float = 0.7
    daily_at: time = time(7, 30)


class PlumeAlerts(Struct, frozen=True, kw_only=True):
    """A plume by the newest alert of each of its events.

    counted          the alerts of events that were not disproved, the leading one first
    is_over          none of its events goes on
    is_corroborated  more than one station saw it
    is_calm          it has been over for `calm_minutes`
    """

    id: str
    alerts: tuple[Alert, ...]
    counted: tuple[Alert, ...]
    is_over: bool
    is_corroborated: bool
    is_calm: bool = False


def build_plume_alerts(id_: str, alerts: Sequence[Alert], *, is_calm: bool = False) -> PlumeAlerts:
    """Return the plume of these alerts, each the newest of its event."""
    events = {alert.event_id: event_of_alert(alert) for alert in alerts}
    ranked = sorted(alerts, key=lambda alert: rank_event(events[alert.event_id]))
    counted = tuple(alert for alert in ranked if events[alert.event_id].counts)
    saw_neighbours = any(alert.neighbours is not None and alert.neighbours.risen > 0 for alert in counted)
    return PlumeAlerts(
        id=id_,
        alerts=tuple(alerts),
        counted=counted,
        is_over=not any(event.is_open for event in events.values()),
        is_corroborated=saw_neighbours or len({alert.station for alert in counted if not alert.only_guests}) > 1,
        is_calm=is_calm,
    )


class NoticeDecision(Struct, frozen=True, kw_only=True):
    """The decision for one contact. `alert`: leads the text. `release_at`: when a held notice is decided again."""

    reason: NoticeReason
    alert: Alert | None = None
    release_at: datetime | None = None

    @property
    def notifies(self) -> bool:
        """Whether a notice goes out now."""
        return self.reason in NOTIFYING


def decide_notice(
    plume: PlumeAlerts,
    subscriptions: Sequence[NoticeSubscription],
    last: LastNotice | None,
    now: datetime,
    rules: NoticeRules,
    *,
    is_paused: bool = False,
    is_release: bool = False,
) -> NoticeDecision:
    """Return the decision for a contact with these subscriptions.

    `last`: None if the contact was not notified of the plume. `is_release`: quiet hours have ended, hold nothing.
    """
    decision = _decide_correction(plume, last)
    if decision is None:
        decision = _decide_news(plume, subscriptions, last, rules)
    if not decision.notifies or decision.alert is None:
        return decision
    if is_paused and decision.reason is not NoticeReason.CORRECTED:
        return NoticeDecision(reason=NoticeReason.PAUSED)
    if is_release:
        return decision
    concerned = [item for item in subscriptions if item.covers(decision.alert)] or list(subscriptions)
    return _hold(decision, concerned, now, rules)


def describe_notice(decision: NoticeDecision, plume: PlumeAlerts, last: LastNotice | None) -> LastNotice:
    """Return what a contact knows after this notice. Raises ValueError for a decision that does not notify."""
    if decision.alert is None:
        raise ValueError(decision.reason)
    is_voided = not plume.counted
    return LastNotice(
        event_id=decision.alert.event_id,
        severity=decision.alert.severity,
        has_ended=plume.is_over,
        is_voided=is_voided,
        number=1 if last is None else last.number + 1,
    )


def _decide_correction(plume: PlumeAlerts, last: LastNotice | None) -> NoticeDecision | None:
    """Correct what the contact was notified of if that event was disproved; None if nothing was."""
    if last is None or last.is_voided:
        return None
    counted = plume.counted
    if any(alert.event_id == last.event_id for alert in counted):
        return None
    disproved = next((alert for alert in plume.alerts if alert.event_id == last.event_id), None)
    if disproved is None:
        return None
    return NoticeDecision(reason=NoticeReason.CORRECTED, alert=counted[0] if counted else disproved)


def _decide_news(
    plume: PlumeAlerts, subscriptions: Sequence[NoticeSubscription], last: LastNotice | None, rules: NoticeRules
) -> NoticeDecision:
    counted, was_notified = plume.counted, last is not None and not last.is_voided
    if not counted:
        return NoticeDecision(reason=NoticeReason.NEVER_NOTIFIED)
    if was_notified and last is not None and plume.is_over:
        return _decide_end(plume, last, counted)
    covering = [(item, alert) for alert in counted for item in subscriptions if item.covers(alert)]
    believed = [(item, alert) for item, alert in covering if not alert.only_guests]
    if not believed:
        return NoticeDecision(reason=NoticeReason.GUEST if covering else NoticeReason.OTHER_SUBJECT)
    alert = next((alert for item, alert in believed if alert.severity.rank >= item.level.rank), None)
    if alert is None:
        return NoticeDecision(reason=NoticeReason.BELOW_LEVEL)
    if alert.confidence < (rules.confidence_corroborated if plume.is_corroborated else rules.confidence):
        return NoticeDecision(reason=NoticeReason.NOT_SURE_ENOUGH)
    return NoticeDecision(reason=_compare(plume, alert, last if was_notified else None), alert=alert)


def _decide_end(plume: PlumeAlerts, last: LastNotice, counted: Sequence[Alert]) -> NoticeDecision:
    if last.has_ended:
        return NoticeDecision(reason=NoticeReason.NOT_WORSE)
    if not plume.is_calm:
        return NoticeDecision(reason=NoticeReason.CALM_AWAITED)
    lead = next((alert for alert in counted if alert.event_id == last.event_id), counted[0])
    return NoticeDecision(reason=NoticeReason.ENDED, alert=lead)


def _compare(plume: PlumeAlerts, alert: Alert, last: LastNotice | None) -> NoticeReason:
    if last is None:
        is_late = plume.is_over or alert.detected_late
        return NoticeReason.LATE if is_late else NoticeReason.FIRST
    if last.has_ended:
        return NoticeReason.REOPENED
    return NoticeReason.WORSE if alert.severity.rank > last.severity.rank else NoticeReason.NOT_WORSE


def _hold(
    decision: NoticeDecision, subscriptions: Sequence[NoticeSubscription], now: datetime, rules: NoticeRules
) -> NoticeDecision:
    """Notify now if one of the subscriptions permits it, else when the first of them does."""
    held = [_find_release(decision, item, now, rules) for item in subscriptions]
    waiting = [item for item in held if item is not None]
    if len(waiting) < len(held) or not held:
        return decision
    return min(waiting, key=lambda item: item.release_at or now)


def _find_release(
    decision: NoticeDecision, subscription: NoticeSubscription, now: datetime, rules: NoticeRules
) -> NoticeDecision | None:
    """Return until when this subscription holds the notice; None if it does not."""
    if subscription.cadence is Cadence.DAILY:
        release_at = find_next(rules.daily_at, now)
        return NoticeDecision(reason=NoticeReason.HELD_DAILY, alert=decision.alert, release_at=release_at)
    is_strongest = decision.alert is not None and decision.alert.severity is Severity.EXTREME
    if subscription.wakes and is_strongest and decision.reason in _ABOUT_NOW:
        return None
    end = None if subscription.quiet is None else subscription.quiet.find_end(now)
    if end is None:
        return None
    return NoticeDecision(reason=NoticeReason.HELD_QUIET, alert=decision.alert, release_at=end)
