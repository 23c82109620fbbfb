"""Which receivers an alert goes to, and why not to the others. Pure and total."""

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from alerting.alert import Alert, Severity
from alerting.matcher import Matcher


class Reason(StrEnum):
    """Why a receiver is told of an alert, or not. Kept with every alert; also a metric's label."""

    ROUTED = "routed"
    NO_ROUTE = "no_route"
    NOT_SURE_ENOUGH = "not_sure_enough"
    DETECTED_LATE = "detected_late"  # kept for the record and the digest, never paged as if it were now
    NOT_WORSE = "not_worse"  # an update that says nothing new to who was told already
    NEVER_TOLD = "never_told"  # the end of something they were not told of


class Route(Struct, frozen=True, kw_only=True):
    """`[[alerting.route]]`: all of `match` must fit.

    Routes are tried in order; the first that fits ends it, unless it says `go_on`.
    """

    receiver: str
    match: list[str] = []
    least_severity: Severity = Severity.MINOR
    least_confidence: float = 0.5
    go_on: bool = False

    def fits(self, alert: Alert) -> bool:
        """Whether the alert's labels and severity are meant."""
        return alert.severity.rank >= self.least_severity.rank and all(
            Matcher.parse(text).matches(alert.labels) for text in self.match
        )


class Verdict(Struct, frozen=True, kw_only=True):
    """Whether one receiver is told, and the reason."""

    receiver: str
    told: bool
    reason: Reason


def route(alert: Alert, routes: Sequence[Route]) -> list[Verdict]:
    """One verdict for each route that fits; NO_ROUTE in the name of nobody where none does."""
    verdicts: list[Verdict] = []
    for one in routes:
        if one.fits(alert):
            verdicts.append(_weigh(alert, one))
            if not one.go_on:
                break
    return verdicts or [Verdict(receiver="", told=False, reason=Reason.NO_ROUTE)]


def _weigh(alert: Alert, chosen: Route) -> Verdict:
    reason = Reason.ROUTED
    if alert.detected_late:
        reason = Reason.DETECTED_LATE
    elif alert.confidence < chosen.least_confidence and alert.firing:
        reason = Reason.NOT_SURE_ENOUGH
    return Verdict(receiver=chosen.receiver, told=reason is Reason.ROUTED, reason=reason)
