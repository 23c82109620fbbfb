"""The outcome and the parameters of an attempt, the same for every channel."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class DeliveryOutcome(StrEnum):
    """How one attempt ended; also a metric's label."""

    DELIVERED = "delivered"
    PARTIAL = "partial"  # the addressees have different outcomes
    REFUSED = "refused"  # refused permanently
    GONE = "gone"  # the target is gone: deliver nothing more to it
    FAILED = "failed"  # temporary: retry later
    UNKNOWN = "unknown"  # it may have arrived: retry later
    ABANDONED = "abandoned"  # failed, and that was the last attempt


WAITING_OUTCOMES = frozenset({DeliveryOutcome.FAILED, DeliveryOutcome.UNKNOWN})


class AddresseeOutcome(Struct, frozen=True, kw_only=True):
    """The outcome of one attempt for one addressee, with the answer of the other side or a stored detail."""

    addressee: str
    outcome: DeliveryOutcome
    detail: str


class Delivery(Struct, frozen=True, kw_only=True):
    """One attempt's outcome, a detail to show, and the exact bytes that were sent.

    addressees   the outcome per addressee, for channels that have several
    retry_after  the earliest time that the other side asked for
    """

    outcome: DeliveryOutcome
    detail: str
    content: bytes = b""
    addressees: tuple[AddresseeOutcome, ...] = ()
    retry_after: datetime | None = None


class DeliveryContext(Struct, frozen=True, kw_only=True):
    """Parameters of every delivery, beside its notification.

    public_url      base URL of links to the pages
    source          this system's name in CloudEvents
    allow_private   whether requests may go to private and loopback addresses
    received_at     when the alert came in
    decided_at      when it was decided to notify; None: when the alert came in
    settled         addressees that need no further attempt, with their outcome
    """

    public_url: str
    source: str
    allow_private: bool
    received_at: datetime
    decided_at: datetime | None = None
    settled: Mapping[str, DeliveryOutcome] = {}
