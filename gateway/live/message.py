"""Live message: newest values, event changes and preliminary marks, published right after COMMIT for API replicas.

Published on `pw/v1/{area}/live` at QoS 0: a replica that misses one reads the database. `id` comes from one database
sequence, one number per message, so that every replica gives a client the same resume point.
"""

from datetime import datetime
from itertools import repeat
from typing import Annotated

from msgspec import Meta, MsgspecError, Struct, json

from gateway.model.event import Event
from gateway.model.timestamps import to_ms

MINUTE_MS = 60_000  # ms


class LiveMessageError(ValueError):
    """A payload that is no live message."""


class RecentReadings(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Readings in columns, as in a ReadingBatch: `dt` in ms from the newest valid one; `flags` is empty if all are 0.

    A value that does not count is None, with its flags; after the newest valid one (`dt` > 0) none counts.
    """

    dt: list[int]
    values: list[float | None]
    flags: list[int] = []


class LiveObservation(Struct, frozen=True, kw_only=True):
    """The newest valid value of one datastream in a commit. `value` None: there was none, because of `flags`.

    `recent` holds this commit's readings from 60 s before `observed_at` on. A replica needs them for the mean of the
    last minute, however many readings one batch has. `node` measured it; its calibration holds for the mean.
    """

    station: str
    observed_property: str
    observed_at: datetime
    value: float | None
    flags: int
    recent: RecentReadings | None = None
    node: str = ""

    def readings(self) -> list[tuple[int, float | None, int]]:
        """Return `recent` as (ms UTC, value, flags); without `recent`, the newest reading alone."""
        at = to_ms(self.observed_at)
        recent = self.recent
        if recent is None:
            return [(at, self.value, self.flags)]
        columns = zip(recent.dt, recent.values, recent.flags or repeat(0), strict=False)
        return [(at + dt, value, flags) for dt, value, flags in columns]


class LiveEvent(Struct, frozen=True, kw_only=True):
    """One revision of an event, with area, severity and unit from the registry, and the id of its plume."""

    event: Event
    area: str
    severity: str
    unit: str
    plume: str | None = None


class LiveMark(Struct, frozen=True, kw_only=True):
    """A preliminary mark: a possible beginning of a peak. It is no event, has no id and alerts nobody.

    since        first reading of the rise
    observed_at  newest reading; it is `excess` above the background (below, for a signal that falls)
    confidence   share of such marks that became an event
    expires_at   from when on the mark no longer holds, unless a newer message has it again
    """

    station: str
    observed_property: str
    unit: str
    since: datetime
    observed_at: datetime
    excess: float
    confidence: float
    expires_at: datetime


class LiveMessage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything new of one area in one commit. `marks`: all that hold in the area now; None: as in the message before.

    An area has marks for minutes at most, so most messages have no key `marks`.
    """

    id: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    area: str
    committed_at: datetime
    observations: list[LiveObservation]
    events: list[LiveEvent]
    marks: list[LiveMark] | None = None

    def encode(self) -> bytes:
        """Encode as JSON for publishing."""
        return json.encode(self)


_DECODER = json.Decoder(LiveMessage)


def decode_live_message(payload: bytes) -> LiveMessage:
    """Decode what `encode` returned. Raises LiveMessageError and nothing else, whatever the bytes are."""
    try:
        return _DECODER.decode(payload)
    except (MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise LiveMessageError(str(error)) from None
