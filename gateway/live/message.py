"""What a gateway says right after COMMIT, for API replicas: the newest values and event changes.

Published on `pw/v1/{area}/live` at QoS 0: a replica that misses one reads the database. `id` comes
from one database sequence, a number a commit, so that every replica gives a client the same resume point.
"""

from datetime import datetime
from itertools import repeat

from msgspec import Struct, json

from gateway.model.event import Event
from gateway.model.timestamps import to_ms

MINUTE_MS = 60_000  # ms


class RecentReadings(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Readings in columns, as in a ReadingBatch: `dt` in ms from the newest (<= 0); no `flags` where none has any."""

    dt: list[int]
    values: list[float | None]
    flags: list[int] = []


class LiveObservation(Struct, frozen=True, kw_only=True):
    """The newest value of one datastream in a commit. `value` None: the sensor gave none.

    `recent` holds this commit's readings of the 60 s that end at `observed_at`: what is needed to keep a mean of the
    last minute, however many readings came in one batch.
    """

    station: str
    observed_property: str
    observed_at: datetime
    value: float | None
    flags: int
    recent: RecentReadings | None = None

    def readings(self) -> list[tuple[int, float | None, int]]:
        """`recent` as (ms UTC, value, flags), or where there is none the one reading itself."""
        at = to_ms(self.observed_at)
        recent = self.recent
        if recent is None:
            return [(at, self.value, self.flags)]
        columns = zip(recent.dt, recent.values, recent.flags or repeat(0), strict=False)
        return [(at + dt, value, flags) for dt, value, flags in columns]


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


def decode_live_message(payload: bytes) -> LiveMessage:
    """Reader of `encode`'s form; raises msgspec.MsgspecError."""
    return _DECODER.decode(payload)
