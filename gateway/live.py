"""What a gateway says right after COMMIT, for API replicas: the newest values and event changes.

Published on `pw/v1/{area}/live` at QoS 0: a replica that misses one reads the database. `id` comes
from one database sequence, a number a commit, so that every replica gives a client the same resume point.
"""

from datetime import datetime

from msgspec import Struct, json, structs

from gateway.event import Event

MINUTE = 60_000  # ms


class LiveObservation(Struct, frozen=True, kw_only=True):
    """The newest value of one datastream in a commit. `value` None: the sensor gave none.

    `recent` holds this commit's values of the 60 s that end at `observed_at`, as (ms UTC, value): what a viewer
    needs to keep a mean of the last minute, however many readings came in one batch.
    """

    station: str
    observed_property: str
    observed_at: datetime
    value: float | None
    flags: int
    recent: list[tuple[int, float]] = []


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


def follow(earlier: LiveObservation, later: LiveObservation) -> LiveObservation:
    """Both as one: the later value, with the recent values of both that are within its minute."""
    after = int(later.observed_at.timestamp() * 1000) - MINUTE
    recent = [one for one in (*earlier.recent, *later.recent) if one[0] > after]
    return structs.replace(later, recent=recent)


_DECODER = json.Decoder(LiveMessage)


def decode(payload: bytes) -> LiveMessage:
    """Reader of `encode`'s form; raises msgspec.MsgspecError."""
    return _DECODER.decode(payload)
