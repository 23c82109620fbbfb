"""The whole plume in a few figures, for the messages about its end. Pure.

A plume can have many events, and a receiver is notified of its first ones only. The figures therefore come from all of
its events that were not voided, by their newest revision. `alerting/plume.py` has the rule of the leading event, whose
peak is the plume's highest.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct, structs

from alerting.alert import Alert, Severity
from alerting.plume import build_plume, event_of_alert


class PlumeSummary(Struct, frozen=True, kw_only=True):
    """First onset, last end and highest peak of a plume. `event_id`: the event with that peak.

    `peak` and `background` are single values in `unit`; `last_end` is None while one of its events goes on.
    """

    event_count: int
    station_count: int
    first_onset: datetime
    last_end: datetime | None
    event_id: str
    observed_property: str
    property_name: Mapping[str, str]
    unit: str
    severity: Severity
    peak: float
    background: float
    peak_at: datetime


def summarize_plume(alerts: Sequence[Alert]) -> PlumeSummary | None:
    """Summarize the events, each by its newest alert; None if there are none."""
    if not alerts:
        return None
    plume = build_plume(alerts[0].plume, alerts[0].area, [event_of_alert(alert) for alert in alerts])
    highest = next(alert for alert in alerts if alert.event_id == plume.leading.id)
    ends = [event.end for event in plume.events]
    return PlumeSummary(
        event_count=len(alerts),
        station_count=len({alert.station for alert in alerts}),
        first_onset=min(alert.onset for alert in alerts),
        last_end=None if None in ends else max(end for end in ends if end is not None),
        event_id=highest.event_id,
        observed_property=highest.observed_property,
        property_name=highest.property_name,
        unit=highest.unit,
        severity=highest.severity,
        peak=highest.peak,
        background=highest.background,
        peak_at=highest.peak_at,
    )


def show_highest(alert: Alert, plume: PlumeSummary | None) -> Alert:
    """Return the alert with the figures of the plume's highest peak, for a headline about the whole plume."""
    if plume is None:
        return alert
    return structs.replace(
        alert,
        observed_property=plume.observed_property,
        property_name=dict(plume.property_name),
        unit=plume.unit,
        severity=plume.severity,
        peak=plume.peak,
        background=plume.background,
        peak_at=plume.peak_at,
    )
