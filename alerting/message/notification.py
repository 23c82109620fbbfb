"""What is said: one alert for one receiver and channel, with what a storm gathered into the same message. Pure."""

import hashlib
from datetime import datetime

from msgspec import Struct

from alerting.alert import Alert, Severity
from alerting.decide.routing import DecisionReason
from alerting.message.time_series import TimeSeries
from alerting.vocabulary import Language


class OriginalNotification(Struct, frozen=True, kw_only=True):
    """The first message that the same receiver got of the same event by the same channel.

    `received_at` is when the alert in it came in, which CAP documents say as `sent`; `severity`, how bad it said it is.
    """

    id: str
    sent_at: datetime
    received_at: datetime
    severity: Severity | None = None


class Notification(Struct, frozen=True, kw_only=True):
    """One notification; `id` is the same at every attempt.

    gathered     others that a storm put into the same message
    repeat       an earlier attempt may have arrived
    acknowledge  the signed link with which this receiver answers, None where nothing is to be answered
    curve        the values around the peak, as far as they were known when it was sent
    original     what this one corrects or ends
    """

    alert: Alert
    id: str
    reason: DecisionReason = DecisionReason.ROUTED
    gathered: tuple[Alert, ...] = ()
    repeat: bool = False
    language: Language = "nl"
    acknowledge_url: str | None = None
    time_series: TimeSeries | None = None
    original: OriginalNotification | None = None


def hash_content(content: bytes) -> bytes:
    """SHA-256 of exactly what was sent."""
    return hashlib.sha256(content).digest()
