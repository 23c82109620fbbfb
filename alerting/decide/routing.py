"""Which receivers an alert goes to, and why not to the others. Pure and total."""

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct

from alerting.alert import Alert, Place, Severity
from alerting.decide import polygon, time_intervals
from alerting.decide.matcher import Matching
from alerting.decide.on_call import Rosters
from alerting.decide.polygon import Polygon
from alerting.decide.reason_detail import Code, kept


class Reason(StrEnum):
    """Why a receiver is told of an alert, or not. Kept with every alert; also a metric's label."""

    ROUTED = "routed"
    NO_ROUTE = "no_route"
    NOT_SURE_ENOUGH = "not_sure_enough"
    DETECTED_LATE = "detected_late"  # kept for the record and the digest, never paged as if it were now
    NOT_WORSE = "not_worse"  # an update that says nothing new to who was told already
    SAME_PLUME = "same_plume"  # another property or another rise of what they were told of already
    CALM_AWAITED = "calm_awaited"  # the end, until the whole plume has been over for a while
    CALM = "calm"  # the end, now that it has
    EASED = "eased"  # less severe for a while
    NO_DATA = "no_data"  # the station fell silent while the peak went on: that is no end
    DIGEST = "digest"  # found late, in the day's overview
    NEVER_TOLD = "never_told"  # the end of something they were not told of
    SILENCED = "silenced"
    MAINTENANCE = "maintenance"
    KNOWN_SOURCE = "known_source"
    REMINDED = "reminded"  # nobody answered
    ESCALATED = "escalated"  # nobody answered those who were told first
    UNREADABLE = "unreadable"  # written by a version that this one cannot read


_HIGHEST = max(severity.rank for severity in Severity)


class Route(Struct, frozen=True, kw_only=True):
    """`[[alerting.route]]`: all of `match`, `inside` and `hours` must fit.

    Routes are tried in order; the first that fits ends it, unless it says `go_on`. While nobody acknowledges,
    the receiver is reminded every `remind_minutes`, and `escalate_to` is told once after `escalate_minutes`.

    receiver      a receiver, or a roster: then whoever is on duty
    inside        a jurisdiction in WKT or GeoJSON, or `inside_file` with it; the station's public position counts
    hours         times of the week, such as `mon-fri 18:00-08:00`; none: always
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


class Verdict(Struct, frozen=True, kw_only=True, gc=False):
    """Whether one receiver is told, and the reason; `detail` names the silence, the source or the roster."""

    receiver: str
    told: bool
    reason: Reason
    detail: str = ""


class Way(Struct, frozen=True, kw_only=True):
    """A route with its conditions read, once."""

    route: Route
    polygon: Polygon | None
    week: bytes | None
    least_rank: int
    routed: Verdict

    def open(self, place: Place, rank: int, minute: int) -> bool:
        """Whether the conditions beside the matchers hold: severity (its rank), minute of the week, and place."""
        if rank < self.least_rank or (self.week is not None and not self.week[minute]):
            return False
        return self.polygon is None or self.polygon.contains(place.latitude, place.longitude)


def prepared(route: Route) -> Way:
    """Read what the route says. Raises SettingsError."""
    found = polygon.parse(route.inside) if route.inside is not None else None
    return Way(
        route=route,
        polygon=found,
        week=time_intervals.week(route.hours),
        least_rank=route.least_severity.rank,
        routed=Verdict(receiver=route.receiver, told=True, reason=Reason.ROUTED),
    )


def route(alert: Alert, ways: Matching[Way], rosters: Rosters, now: datetime) -> list[Verdict]:
    """One verdict for each route that fits; NO_ROUTE in the name of nobody where none does.

    A receiver that two routes lead to is told once: if either would tell it.
    """
    verdicts: dict[str, Verdict] = {}
    minute, firing = time_intervals.minute_of_week(now), alert.firing
    rank, sure = (alert.severity.rank, alert.confidence) if firing else (_HIGHEST, 1.0)  # an end is told at any
    late = alert.detected_late and firing
    for way in ways.fitting(alert.labels):
        if not way.open(alert.place, rank, minute):
            continue
        receiver = rosters.on_duty(way.route.receiver, now)
        before = verdicts.get(receiver)
        if before is None or not before.told:
            verdicts[receiver] = _weigh(way, receiver, sure, late=late)
        if not way.route.go_on:
            break
    return list(verdicts.values()) or [Verdict(receiver="", told=False, reason=Reason.NO_ROUTE)]


def _weigh(way: Way, receiver: str, sure: float, *, late: bool) -> Verdict:
    chosen = way.route
    told = not late and sure >= chosen.least_confidence
    if told and receiver == chosen.receiver:
        return way.routed
    reason = Reason.ROUTED if told else Reason.DETECTED_LATE if late else Reason.NOT_SURE_ENOUGH
    detail = kept(Code.ON_DUTY, receiver=chosen.receiver) if receiver != chosen.receiver else ""
    return Verdict(receiver=receiver, told=told, reason=reason, detail=detail)
