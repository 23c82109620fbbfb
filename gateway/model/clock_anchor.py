"""Anchors: what relates the time since boot to the wall clock, and the shift that it gives a batch. Pure.

Ingest records the best anchor of each boot, and dates the batches of that boot with it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.model.clock_doubt import TOLERANCE_MS

STEP_MS = 500  # a smaller difference is no step of the clock; the agent has the same limit

Boot = tuple[str, str]  # node, boot id


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """Wall time minus time since boot, ms, as one batch of a boot showed it.

    mono    time since boot of that batch, ms
    synced  False: the clock was not set, and its stamps agreed with the gateway's clock to within two minutes
    """

    offset_ms: int
    mono: int
    synced: bool

    def is_better_than(self, other: "Anchor | None") -> bool:
        """Whether it replaces `other`; the same for every order of arrival. The query has the same rule."""
        if other is None or self.synced is not other.synced:
            return other is None or self.synced
        return self.mono < other.mono and abs(self.offset_ms - other.offset_ms) > STEP_MS


@dataclass(frozen=True, kw_only=True)
class PendingBatch:
    """A batch that an anchor of its boot can date.

    doubt            why its stamps were not believed; None: they were, but its clock was not set
    first_at         its outermost stamps, `first_at` to `last_at`; None: it has no stored values
    applied_ms       what was added to its stamps before; None: nothing
    anchor_shift_ms  what the anchor adds to its stamps
    """

    batch_id: int
    node: str
    boot: str
    doubt: str | None
    first_at: datetime | None
    last_at: datetime | None
    applied_ms: int | None
    anchor_shift_ms: int
    received_at: datetime

    @property
    def shift_ms(self) -> int | None:
        """Return what to add to the stamps, or None: the anchor puts the batch after its own arrival.

        The stamps stay if the anchor confirms them.
        """
        latest = self.received_at + timedelta(milliseconds=TOLERANCE_MS)
        shift_ms = 0 if abs(self.anchor_shift_ms) <= STEP_MS else self.anchor_shift_ms
        if self.last_at is not None and self.last_at - latest > timedelta(milliseconds=-shift_ms):
            return None
        return shift_ms

    @property
    def moves(self) -> bool:
        """Whether its rows change: another time, or another flag."""
        is_dated_first = self.doubt is not None and self.applied_ms is None
        return self.first_at is not None and (is_dated_first or self.shift_ms != (self.applied_ms or 0))
