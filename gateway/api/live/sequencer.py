"""Puts live messages into the order of their commits. Pure.

Every commit has a number from one sequence. A message that arrives early waits half a second for the ones before it.
If they do not come (a lost message, or a rolled-back commit), it is released without them, marked `lost`.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.live.message import LiveMessage

_MAX_WAITING = 1_000


@dataclass(frozen=True, kw_only=True)
class ReleasedMessages:
    """Messages to send now; `lost`: a message before these is missing."""

    messages: Sequence[LiveMessage] = ()
    lost: bool = False


class Sequencer:
    """Owned by one hub. Times are seconds of any monotonic clock."""

    def __init__(self, hold: float = 0.5) -> None:
        self._hold = hold
        self._waiting: dict[int, list[LiveMessage]] = defaultdict(list)
        self._since = 0.0
        self.last: int | None = None

    def begin(self, number: int) -> None:
        """Commits up to `number` count as released."""
        self.last = number
        self._waiting.clear()

    @property
    def due(self) -> float | None:
        """The time to call `release_overdue`; None if no message waits."""
        return self._since + self._hold if self._waiting else None

    def add(self, message: LiveMessage, now: float) -> ReleasedMessages:
        """Add a message that arrived at `now`."""
        if self.last is None:
            self.last = message.id - 1
        if message.id <= self.last:  # of another area in the same commit, or later than the wait
            return ReleasedMessages(messages=[message])
        if not self._waiting:
            self._since = now
        self._waiting[message.id].append(message)
        if sum(map(len, self._waiting.values())) > _MAX_WAITING:
            return self._release_incomplete()
        return ReleasedMessages(messages=self._pop_consecutive())

    def release_overdue(self, now: float) -> ReleasedMessages:
        """Release messages that waited longer than `hold`, without the missing ones."""
        due = self.due
        return ReleasedMessages() if due is None or now < due else self._release_incomplete()

    def _release_incomplete(self) -> ReleasedMessages:
        self.last = min(self._waiting) - 1
        return ReleasedMessages(messages=self._pop_consecutive(), lost=True)

    def _pop_consecutive(self) -> list[LiveMessage]:
        messages: list[LiveMessage] = []
        while self.last is not None and self.last + 1 in self._waiting:
            self.last += 1
            messages += self._waiting.pop(self.last)
        return messages
