"""The outcome and the parameters of an attempt, the same for every channel."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class DeliveryOutcome(StrEnum):
    """How one attempt ended; also a metric's label."""

    DELIVERED = "delivered"
    REFUSED = "refused"  # refused permanently
    GONE = "gone"  # the target is gone: deliver nothing more to it
    FAILED = "failed"  # temporary: retry later
    UNKNOWN = "unknown"  # it may have arrived: retry later


class Delivery(Struct, frozen=True, kw_only=True):
    """One attempt's outcome, a detail to show, and the exact bytes that were sent."""

    outcome: DeliveryOutcome
    detail: str
    content: bytes = b""


class DeliveryContext(Struct, frozen=True, kw_only=True):
    """Parameters of every delivery, beside its notification.

    public_url      base URL of links to the pages
    source          this system's name in CloudEvents
    allow_private   whether requests may go to private and loopback addresses
    received_at     when the alert came in
    """

    public_url: str
    source: str
    allow_private: bool
    received_at: datetime
