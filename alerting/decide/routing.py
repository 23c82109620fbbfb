"""Which receivers an alert goes to, and why not to the others. Pure and total."""

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct

from alerting.alert import Alert, Place, Severity
from alerting.decide import polygon, time_intervals
from alerting.decide.matcher import MatcherIndex
from alerting.decide.on_call import Rosters
from alerting.decide.polygon import Polygon
from alerting.decide.reason_detail import DetailCode, encode_detail


class DecisionReason(StrEnum):
    """Why a receiver is notified of an alert, or not. Stored with every decision; also a metric's label."""

    ROUTED = "routed"
    NO_ROUTE = "no_route"
    NOT_SURE_ENOUGH = "not_sure_enough"
    DETECTED_LATE = "detected_late"  # for the record and the digest; never a notification as if it were now
    NOT_WORSE = "not_worse"  # an update with no higher severity than the receiver was notified of
    SAME_PLUME = "same_plume"  # another property or another rise of a plume that the receiver was notified of
    CALM_AWAITED = "calm_awaited"  # the end, until the whole plume has been calm for `calm_minutes`
    CALM = "calm"  # the end, after that
    EASED = "eased"  # a lower severity has held for `ease_minutes`
    NO_DATA = "no_data"  # the station stopped sending during the peak: that is no end
    DIGEST = "digest"  # detected late, in the daily digest
    NEVER_TOLD = "never_told"  # the end of an event that the receiver was not notified of
    SILENCED = "silenced"
    MAINTENANCE = "maintenance"
    KNOWN_SOURCE = "known_source"
    REMINDED = "reminded"  # nobody acknowledged
    ESCALATED = "escalated"  # nobody acknowledged; another receiver is notified
    UNREADABLE = "unreadable"  # an alert that this version cannot read


_HIGHEST_RANK = max(severity.rank for severity in Severity)


class Route(Struct, frozen=True, kw_only=True):
    """`[[alerting.route]]`: which alerts a receiver gets. All of its conditions must hold.

    Routes are tried in order. The first that holds ends the search, unless it has `go_on`.

    receiver          a receiver, or a roster: then the receiver on duty
    match             matchers on labels of the alert, such as `area="ijmond"`, with =, !=, =~ or !~
    inside            jurisdiction in WKT or GeoJSON that must contain the public position of the station
    inside_file       file with the jurisdiction, instead of `inside`
    hours             times of the week in Dutch local time, such as `mon-fri 18:00-08:00`; empty: always
    least_severity    lowest severity
    least_confidence  lowest confidence
    go_on             whether later routes are tried after this one holds
    remind_minutes    time between reminders until somebody acknowledges
    escalate_to       receiver that is notified once if nobody acknowledges
    escalate_minutes  time before the escalation
    """

    receiver: str
    match: list[str] = []
    inside: str | dict[str, Any] | None = None
    inside_file: Path | None = None
    hours: list[str] = []
    least_severity: Severity = Severity.MINOR
    least_confidence: Annotated[float, Meta(ge=0, le=1)] = 0.5
    go_on: bool = False
    remind_minutes: Annotated[float, Meta(gt=0)] | None = None
    escalate_to: str | None = None
    escalate_minutes: Annotated[float, Meta(gt=0)] = 15.0


class Decision(Struct, frozen=True, kw_only=True, gc=False):
    """Whether one receiver is notified, and the reason; `detail` names the silence, the source or the roster."""

    receiver: str
    notify: bool
    reason: DecisionReason
    detail: str = ""


class PreparedRoute(Struct, frozen=True, kw_only=True):
    """A route with its polygon and hours parsed once."""

    route: Route
    polygon: Polygon | None
    week_mask: bytes | None
    min_rank: int
    routed_decision: Decision

    def accepts(self, place: Place, rank: int, minute: int) -> bool:
        """Return whether severity (by rank), minute of the week and place match; matchers are tested elsewhere."""
        if rank < self.min_rank or (self.week_mask is not None and not self.week_mask[minute]):
            return False
        return self.polygon is None or self.polygon.contains(place.latitude, place.longitude)


def prepare_route(route: Route) -> PreparedRoute:
    """Parse the route's polygon and hours. Raises SettingsError."""
    jurisdiction = polygon.parse(route.inside) if route.inside is not None else None
    return PreparedRoute(
        route=route,
        polygon=jurisdiction,
        week_mask=time_intervals.build_week_mask(route.hours),
        min_rank=route.least_severity.rank,
        routed_decision=Decision(receiver=route.receiver, notify=True, reason=DecisionReason.ROUTED),
    )


def route_alert(alert: Alert, routes: MatcherIndex[PreparedRoute], rosters: Rosters, now: datetime) -> list[Decision]:
    """One decision per receiver, to notify if any of its routes does; NO_ROUTE with receiver "" if no route applies."""
    decisions: dict[str, Decision] = {}
    minute, firing = time_intervals.minute_of_week(now), alert.firing
    # an end passes any threshold of severity and confidence
    rank, confidence = (alert.severity.rank, alert.confidence) if firing else (_HIGHEST_RANK, 1.0)
    late = alert.detected_late and firing
    for prepared_route in routes.find_matching(alert.labels):
        if not prepared_route.accepts(alert.place, rank, minute):
            continue
        receiver = rosters.resolve(prepared_route.route.receiver, now)
        if receiver not in decisions or not decisions[receiver].notify:
            decisions[receiver] = _decide_route(prepared_route, receiver, confidence, late=late)
        if not prepared_route.route.go_on:
            break
    return list(decisions.values()) or [Decision(receiver="", notify=False, reason=DecisionReason.NO_ROUTE)]


def _decide_route(prepared_route: PreparedRoute, receiver: str, confidence: float, *, late: bool) -> Decision:
    route = prepared_route.route
    notify = not late and confidence >= route.least_confidence
    if notify and receiver == route.receiver:
        return prepared_route.routed_decision
    reason = (
        DecisionReason.ROUTED if notify else DecisionReason.DETECTED_LATE if late else DecisionReason.NOT_SURE_ENOUGH
    )
    detail = encode_detail(DetailCode.ON_DUTY, receiver=route.receiver) if receiver != route.receiver else ""
    return Decision(receiver=receiver, notify=notify, reason=reason, detail=detail)
