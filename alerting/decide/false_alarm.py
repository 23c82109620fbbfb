"""False alarms: an inspector states that a plume was none, and everybody who was notified gets a correction. Pure.

It covers the events at the stations and up to the severities that the inspector saw. A rise above these, or at another
station, is notified as if there were no false alarm.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from msgspec import Struct, structs

from alerting.alert import Alert
from alerting.decide.reason_detail import DetailCode, encode_detail
from alerting.decide.routing import Decision, DecisionReason


class FalseAlarmCause(StrEnum):
    """The cause that the inspector gives; it is public."""

    SENSOR_FAULT = "sensor_fault"
    WORK = "work"  # at the station
    LOCAL_SOURCE = "local_source"  # a fire, a machine, smoke beside the station
    WEATHER = "weather"
    OTHER = "other"


class FalseAlarm(Struct, frozen=True, kw_only=True):
    """The statement about one plume. `note`: free text, for colleagues and receivers only."""

    id: int
    plume: str
    cause: str
    note: str
    author: str
    stations: Sequence[str]
    severities: Sequence[str]
    stated_at: datetime

    def covers(self, alert: Alert) -> bool:
        """Whether the alert is about what the inspector saw."""
        return alert.station in self.stations and alert.severity.value in self.severities


def apply_false_alarm(alert: Alert, decision: Decision, false_alarm: FalseAlarm | None) -> Decision:
    """Return the decision, turned into no notification if the false alarm covers the alert."""
    if false_alarm is None or not decision.notify or not false_alarm.covers(alert):
        return decision
    detail = describe_false_alarm(false_alarm)
    return structs.replace(decision, notify=False, reason=DecisionReason.FALSE_ALARM, detail=detail)


def describe_false_alarm(false_alarm: FalseAlarm) -> str:
    """Return the detail of a decision that follows from it."""
    return encode_detail(
        DetailCode.FALSE_ALARM,
        author=false_alarm.author,
        at=false_alarm.stated_at,
        cause=false_alarm.cause,
        note=f": {false_alarm.note}" if false_alarm.note else "",
    )
