"""A notification: one alert for one receiver and channel, with the alerts that were gathered into it. Pure."""

import hashlib
from datetime import datetime

from msgspec import Struct

from alerting.alert import Alert, Severity
from alerting.decide.routing import DecisionReason
from alerting.message.plume import PlumeSummary
from alerting.message.time_series import TimeSeries
from alerting.vocabulary import Language


class OriginalNotification(Struct, frozen=True, kw_only=True):
    """The first notification of the same event that reached the same receiver by the same channel.

    `received_at`: when its alert came in. `decided_at`: when it was decided to send it, which is `sent` in CAP
    documents. `severity`: the severity that it gave.
    """

    id: str
    sent_at: datetime
    received_at: datetime
    decided_at: datetime | None = None
    severity: Severity | None = None


class Notification(Struct, frozen=True, kw_only=True):
    """One notification; `id` is the same at every attempt.

    gathered: alerts that a storm put into the same notification. repeat: an earlier attempt may have arrived.
    acknowledge_url: the signed link with which this receiver acknowledges; None if the event has ended.
    time_series: the values around the peak that were stored at the time of the attempt.
    original: the notification that this one corrects or ends.
    plume: the whole plume, once it is over. also_told: the other receivers that were notified of the event.
    health: the receiver's health advice about the alert, with its source.
    """

    alert: Alert
    id: str
    reason: DecisionReason = DecisionReason.ROUTED
    detail: str = ""
    gathered: tuple[Alert, ...] = ()
    repeat: bool = False
    language: Language = "nl"
    acknowledge_url: str | None = None
    time_series: TimeSeries | None = None
    original: OriginalNotification | None = None
    plume: PlumeSummary | None = None
    also_told: tuple[str, ...] = ()
    health: str | None = None


def hash_content(content: bytes) -> bytes:
    """Return the SHA-256 of exactly the bytes that were sent."""
    return hashlib.sha256(content).digest()
