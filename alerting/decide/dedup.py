"""Whether a receiver learns anything new from this revision of an event. Pure."""

from datetime import datetime, timedelta

from msgspec import Struct, structs

from alerting.alert import Alert, Change, Severity
from alerting.decide.reason_detail import Code, kept
from alerting.decide.routing import Reason, Verdict


class Told(Struct, frozen=True, kw_only=True):
    """How bad a receiver believes the plume to be that an event belongs to; `this`: it was told of this very event."""

    severity: Severity
    this: bool = True


def needs_telling(alert: Alert, verdict: Verdict, told: Told | None, *, rose: bool = False) -> Verdict:
    """A plume's first event is told, later ones and updates where it got worse, an end where only that did (`rose`)."""
    if not verdict.told:
        return verdict
    if told is None:
        return verdict if alert.firing or rose else _withheld(verdict, Reason.NEVER_TOLD)
    if alert.severity.rank > told.severity.rank:
        return verdict
    if not told.this:
        return _withheld(verdict, Reason.SAME_PLUME)
    return _withheld(verdict, Reason.NOT_WORSE) if alert.change is Change.UPDATED else verdict


def over(alert: Alert, receiver: str, told: Told, *, calm: bool) -> Verdict:
    """What somebody who was told hears of the end or of the correction; an end waits until the plume is `calm`."""
    verdict = Verdict(receiver=receiver, told=True, reason=Reason.ROUTED)
    if not told.this:
        return _withheld(verdict, Reason.NEVER_TOLD)
    if alert.change is Change.ENDED and not calm:
        return _withheld(verdict, Reason.CALM_AWAITED)
    return verdict


class Course(Struct, frozen=True, kw_only=True):
    """How bad a plume is now, since when, and how bad a receiver still believes it to be."""

    receiver: str
    told: Severity
    now: Severity
    since: datetime


def eased(course: Course, now: datetime, hold: timedelta) -> Verdict | None:
    """A fall is told once it has held: what goes up and down again within `hold` is told once."""
    if course.now.rank >= course.told.rank or now - course.since < hold:
        return None
    detail = kept(Code.FELL, was=course.told.value, now=course.now.value)
    return Verdict(receiver=course.receiver, told=True, reason=Reason.EASED, detail=detail)


def _withheld(verdict: Verdict, reason: Reason) -> Verdict:
    return structs.replace(verdict, told=False, reason=reason)
