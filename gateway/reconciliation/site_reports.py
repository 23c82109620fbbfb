"""Which measured event an operator's own report fits, and how long after its onset the report came. Pure.

A report fits an event if its incident overlaps the event within 30 minutes. The site must lie at most 5 km from the
station, and within 30 degrees of where the air came from. Within 1 km, or if the event has no wind, every direction
fits. Of several events the one with the earliest onset counts: that is when people could first have been informed.

A median is given from five matched reports on: one of fewer means little.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import atan2, degrees, hypot

from msgspec import Struct

from gateway.model.delays import Delays, summarise_delays
from gateway.model.geodesy import offset_metres
from gateway.reconciliation.fit import FitRules, MeasuredEvent

FEWEST_IN_PUBLIC = 5


class PlacedReport(Struct, frozen=True, kw_only=True):
    """A report of an incident with the position of its site, in degrees WGS 84. `end`: None if it is not stated.

    `summary` and `source`: as the operator published it.
    """

    site: str
    id: str
    latitude: float
    longitude: float
    start: datetime
    end: datetime | None
    reported_at: datetime
    summary: str = ""
    source: str = ""


class MatchedReport(Struct, frozen=True, kw_only=True):
    """A report with the event that it fits. `event` and `seconds` are None if it fits none.

    `seconds`: from the onset of the event to the report; negative if the report came first.
    """

    report: PlacedReport
    event: MeasuredEvent | None
    seconds: float | None


class ReportTimes(Struct, frozen=True, kw_only=True):
    """Of one site: reports, those that fit an event, and their delays; None with fewer than five of these."""

    site: str
    reports: int
    matched: int
    delays: Delays | None


def match_reports(
    reports: Sequence[PlacedReport], events: Sequence[MeasuredEvent], rules: FitRules | None = None
) -> list[MatchedReport]:
    """Return every report with its event, in the order of the reports."""
    ordered = sorted(events, key=lambda event: (event.onset, event.id))
    limits = rules or FitRules()
    matches = []
    for report in reports:
        event = next((event for event in ordered if is_fitting(report, event, limits)), None)
        seconds = None if event is None else (report.reported_at - event.onset).total_seconds()
        matches.append(MatchedReport(report=report, event=event, seconds=seconds))
    return matches


def is_fitting(report: PlacedReport, event: MeasuredEvent, rules: FitRules) -> bool:
    """Whether a report fits an event in time, distance and wind."""
    margin = timedelta(minutes=rules.minutes)
    end = report.end or report.start
    if report.start > event.end + margin or end < event.onset - margin:
        return False
    return is_upwind((report.latitude, report.longitude), event, rules)


def is_upwind(place: tuple[float, float], event: MeasuredEvent, rules: FitRules) -> bool:
    """Whether the air of an event can have come from a place, in degrees WGS 84."""
    east, north = offset_metres(event.latitude, event.longitude, *place)
    distance = hypot(east, north)
    if distance > rules.metres:
        return False
    if event.wind is None or distance <= rules.near_metres:
        return True
    turn = abs((degrees(atan2(east, north)) - event.wind + 180) % 360 - 180)
    return turn <= rules.degrees


def summarise_report_times(matches: Sequence[MatchedReport]) -> list[ReportTimes]:
    """Return the times of each site, by its id."""
    sites = sorted({match.report.site for match in matches})
    times = []
    for site in sites:
        own = [match for match in matches if match.report.site == site]
        seconds = [match.seconds for match in own if match.seconds is not None]
        delays = summarise_delays(seconds) if len(seconds) >= FEWEST_IN_PUBLIC else None
        times.append(ReportTimes(site=site, reports=len(own), matched=len(seconds), delays=delays))
    return times
