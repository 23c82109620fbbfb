"""Which receivers an alert goes to, and why not to the others. Pure and total."""

from collections.abc import Set as AbstractSet
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct, structs

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
    DETECTED_LATE = "detected_late"  # detected in late data, or over when it was detected: in the digest, not as if now
    NOT_WORSE = "not_worse"  # an update with no higher severity than the receiver was notified of
    SAME_PLUME = "same_plume"  # another property or another rise of a plume that the receiver was notified of
    CALM_AWAITED = "calm_awaited"  # the end, until the whole plume has been calm for `calm_minutes`
    CALM = "calm"  # the end, after that
    EASED = "eased"  # a lower severity has held for `ease_minutes`
    NO_DATA = "no_data"  # the station stopped sending during the peak: that is no end
    DIGEST = "digest"  # detected late, in the daily digest
    NEVER_TOLD = "never_told"  # the end of an event that the receiver was not notified of
    REOPENED = "reopened"  # the event goes on after the receiver was notified of its end
    CORRECTED = "corrected"  # the end that the receiver was notified of has changed
    REMAINING = "remaining"  # another event of the plume stands after the correction of the one it was notified of
    GUEST = "guest"  # only stations of guests saw it
    SILENCED = "silenced"
    MAINTENANCE = "maintenance"
    KNOWN_SOURCE = "known_source"
    REMINDED = "reminded"  # nobody acknowledged
    ESCALATED = "escalated"  # nobody acknowledged; another receiver is notified
    FALSE_ALARM = "false_alarm"  # an inspector stated that it was none: a correction, or no notification
    REINSTATED = "reinstated"  # the false alarm was withdrawn: it was a peak after all
    ZAAK = "zaak"  # an inspector asked for a zaak
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
    at_or_above       ids of published levels, such as eu-information-pm10-day. One of them must be reached by
                      the mean at the station: over the last 24 hours for a level of a day, else over the last hour
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
    at_or_above: list[str] = []
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

    def accepts_levels(self, levels: AbstractSet[str]) -> bool:
        """Return whether one of the levels of the route is reached; a route without levels accepts any air."""
        return not self.route.at_or_above or not levels.isdisjoint(self.route.at_or_above)


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


def route_alert(
    alert: Alert,
    routes: MatcherIndex[PreparedRoute],
    rosters: Rosters,
    now: datetime,
    *,
    is_found_over: bool = False,
    levels: AbstractSet[str] = frozenset(),
) -> list[Decision]:
    """Return one decision per receiver of the routes that apply; NO_ROUTE with receiver "" if none does.

    A receiver that two routes lead to is notified if either route notifies it. `is_found_over`: the event was over
    when it was detected; it is then late, and its own severity and confidence count. `levels`: ids of the published
    levels that the means of its property at its station are at or above.
    """
    decisions: dict[str, Decision] = {}
    minute, counts = time_intervals.minute_of_week(now), alert.firing or is_found_over
    # an end of something that was notified passes any threshold of severity and confidence
    rank, confidence = (alert.severity.rank, alert.confidence) if counts else (_HIGHEST_RANK, 1.0)
    late = is_found_over or (alert.detected_late and alert.firing)
    for prepared_route in routes.find_matching(alert.labels):
        if not prepared_route.accepts(alert.place, rank, minute):
            continue
        if counts and not prepared_route.accepts_levels(levels):
            continue
        receiver = rosters.resolve(prepared_route.route.receiver, now)
        previous = decisions.get(receiver)
        if previous is None or previous.reason is DecisionReason.NOT_SURE_ENOUGH:
            decision = _decide_route(prepared_route, receiver, confidence, late=late)
            decisions[receiver] = _suppress_guest(decision) if alert.only_guests else decision
        if not prepared_route.route.go_on:
            break
    return list(decisions.values()) or [Decision(receiver="", notify=False, reason=DecisionReason.NO_ROUTE)]


def _suppress_guest(decision: Decision) -> Decision:
    """Notify nobody of what only guests saw, also not in the digest of what was detected late."""
    return structs.replace(decision, notify=False, reason=DecisionReason.GUEST)


def _decide_route(prepared_route: PreparedRoute, receiver: str, confidence: float, *, late: bool) -> Decision:
    route = prepared_route.route
    is_sure = confidence >= route.least_confidence
    notify = is_sure and not late
    if notify and receiver == route.receiver:
        return prepared_route.routed_decision
    reason = (
        DecisionReason.ROUTED if notify else DecisionReason.DETECTED_LATE if is_sure else DecisionReason.NOT_SURE_ENOUGH
    )
    detail = encode_detail(DetailCode.ON_DUTY, receiver=route.receiver) if receiver != route.receiver else ""
    return Decision(receiver=receiver, notify=notify, reason=reason, detail=detail)
