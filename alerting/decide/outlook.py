"""The decisions of the notification policy now and in the next hours, for the page of inspectors. Pure.

It asks the policy itself, with a sample alert at each quarter of an hour: nothing is computed in another way.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from alerting.alert import Alert, Change, Place, Severity
from alerting.decide.on_call import Roster
from alerting.decide.policy import NotificationPolicy
from alerting.decide.routing import Decision

_STEP = timedelta(minutes=15)


class OutlookStep(Struct, frozen=True, kw_only=True):
    """From this moment on the policy decides so, until the next step."""

    at: datetime
    decisions: tuple[Decision, ...]


class DutyTurn(Struct, frozen=True, kw_only=True):
    """From this moment on the receiver is on duty."""

    at: datetime
    receiver: str


def build_sample_alert(
    *, area: str, station: str, name: str, latitude: float, longitude: float, observed_property: str,
    severity: Severity, at: datetime,
) -> Alert:  # fmt: skip
    """Return an alert as one that began at that moment would be, with full confidence; it is never stored or sent."""
    return Alert(
        event_id="sample",
        revision=1,
        change=Change.OPENED,
        area=area,
        station=station,
        place=Place(name=name, latitude=latitude, longitude=longitude),
        observed_property=observed_property,
        unit="",
        severity=severity,
        confidence=1.0,
        onset=at,
        peak_at=at,
        detected_at=at,
        peak=0.0,
        background=0.0,
        excess=0.0,
        detector="sample",
    )


def list_outlook(policy: NotificationPolicy, alert: Alert, start: datetime, end: datetime) -> list[OutlookStep]:
    """Return the decisions about the alert at `start`, and wherever they change until `end`."""
    steps: list[OutlookStep] = []
    for at in _list_moments(start, end):
        decisions = tuple(policy.decide(alert, {}, at))
        if not steps or decisions != steps[-1].decisions:
            steps.append(OutlookStep(at=at, decisions=decisions))
    return steps


def list_turns(roster: Roster, start: datetime, end: datetime) -> list[DutyTurn]:
    """Return who is on duty at `start`, and the changes until `end`."""
    turns: list[DutyTurn] = []
    for at in _list_moments(start, end):
        receiver = roster.find_on_duty(at)
        if not turns or receiver != turns[-1].receiver:
            turns.append(DutyTurn(at=at, receiver=receiver))
    return turns


def _list_moments(start: datetime, end: datetime) -> Sequence[datetime]:
    """`start`, and every whole quarter of an hour after it."""
    first = start.replace(minute=start.minute // 15 * 15, second=0, microsecond=0) + _STEP
    count = max(0, int((end - first) / _STEP) + 1)
    return [start, *(first + number * _STEP for number in range(count))]
