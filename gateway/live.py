"""What a gateway says right after COMMIT, for API replicas: the newest values and event changes.

Published on `pw/v1/{area}/live` at QoS 0: a replica that misses one reads the database. `id` comes
from one database sequence, a number a commit, so that every replica gives a client the same resume point.
"""

from datetime import datetime

from msgspec import Struct, json

from gateway.event import Event
from gateway.stamps import stamp_of

MINUTE = 60_000  # ms


class LiveObservation(Struct, frozen=True, kw_only=True):
    """The newest value of one datastream in a commit. `value` None: the sensor gave none.

    `recent` holds this commit's readings of the 60 s that end at `observed_at`, as (ms UTC, value, flags): what is
    needed to keep a mean of the last minute, however many readings came in one batch.
    """

    station: str
    observed_property: str
    observed_at: datetime
    value: float | None
    flags: int
    recent: list[tuple[int, float | None, int]] = []

    def readings(self) -> list[tuple[int, float | None, int]]:
        """`recent`, or where there is none the one reading itself."""
        return self.recent or [(stamp_of(self.observed_at), self.value, self.flags)]


class LiveEvent(Struct, frozen=True, kw_only=True):
    """One revision of an event, with what only the registry knows."""

    event: Event
    area: str
    severity: str
    unit: str


class LiveMessage(Struct, frozen=True, kw_only=True):
    """All that is new in one commit of one area."""

    id: int
    area: str
    committed_at: datetime
    observations: list[LiveObservation]
    events: list[LiveEvent]

    def encode(self) -> bytes:
        """JSON, as published."""
        return json.encode(self)


_DECODER = json.Decoder(LiveMessage)


def decode(payload: bytes) -> LiveMessage:
    """Reader of `encode`'s form; raises msgspec.MsgspecError."""
    return _DECODER.decode(payload)
