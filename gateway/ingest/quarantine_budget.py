"""How many bytes of unverified payloads go into quarantine. Pure but for its memory. Called by the pipeline.

Anybody whom the broker lets publish can send payloads that are rejected, as fast as the network carries them. Without
a limit they would fill the disk of the database, and nothing could be stored any more. A payload over the limit is
counted and logged. It is lost to nobody: a node keeps each batch until the gateway confirms it.
"""

from collections import OrderedDict
from collections.abc import Sequence

from gateway.decoding.decode import RejectedPayload

_MAX_BYTES = 64 << 20  # at once, and again per hour
_MAX_BYTES_PER_TOPIC = 16 << 20  # so that one sender leaves room for others
_MAX_TOPICS = 1_000  # remembered
_ROW_BYTES = 200  # of a row without its payload and topic
_HOUR = 3_600.0  # s


class ByteBucket:
    """Fills with `capacity` bytes per hour, up to `capacity`. Times are seconds of any monotonic clock."""

    def __init__(self, capacity: int) -> None:
        self._capacity, self._room, self._updated_at = capacity, float(capacity), 0.0

    def has_room(self, size: int, now: float) -> bool:
        """Whether that many bytes fit now."""
        refill = max(0.0, now - self._updated_at) * self._capacity / _HOUR
        self._room, self._updated_at = min(self._capacity, self._room + refill), now
        return size <= self._room

    def take(self, size: int) -> None:
        """Use that many bytes; call `has_room` first."""
        self._room -= size


class QuarantineBudget:
    """Limits of one gateway: in all, and for each topic. A restart begins with full ones."""

    def __init__(self, max_bytes: int = _MAX_BYTES, max_bytes_per_topic: int = _MAX_BYTES_PER_TOPIC) -> None:
        self._total, self._max_bytes_per_topic = ByteBucket(max_bytes), max_bytes_per_topic
        self._topics: OrderedDict[str, ByteBucket] = OrderedDict()

    def select(self, rejected: Sequence[RejectedPayload], now: float) -> list[RejectedPayload]:
        """Return those that go into quarantine, in order: all with a valid signature, of the others what fits."""
        return [rejection for rejection in rejected if rejection.key is not None or self._take(rejection, now)]

    def _take(self, rejection: RejectedPayload, now: float) -> bool:
        topic = rejection.payload.topic
        size = len(rejection.stored_body) + len(topic) + _ROW_BYTES
        bucket = self._topics.pop(topic[:200], None) or ByteBucket(self._max_bytes_per_topic)
        self._topics[topic[:200]] = bucket
        if len(self._topics) > _MAX_TOPICS:
            self._topics.popitem(last=False)
        if not (bucket.has_room(size, now) and self._total.has_room(size, now)):
            return False
        bucket.take(size)
        self._total.take(size)
        return True
