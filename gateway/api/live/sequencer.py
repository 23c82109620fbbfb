"""Live messages in the order of their commits, whichever way they came.

Every commit has a number from one sequence. A message that is ahead waits a moment for the ones before it;
where they do not come (a message lost on its way, or a commit undone) it goes on without them and says so.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.live.message import LiveMessage

_MAX_WAITING = 1_000


@dataclass(frozen=True, kw_only=True)
class ReleasedMessages:
    """What may be shown now; `lost`: before these something is missing."""

    messages: Sequence[LiveMessage] = ()
    lost: bool = False


class Sequencer:
    """Owned by one hub; times are of any steady clock, in seconds."""

    def __init__(self, hold: float = 0.5) -> None:
        self._hold = hold
        self._waiting: dict[int, list[LiveMessage]] = defaultdict(list)
        self._since = 0.0
        self.last: int | None = None

    def begin(self, number: int) -> None:
        """Everything up to `number` counts as seen."""
        self.last = number
        self._waiting.clear()

    @property
    def due(self) -> float | None:
        """When `expire` should be called, None where nothing waits."""
        return self._since + self._hold if self._waiting else None

    def add(self, message: LiveMessage, now: float) -> ReleasedMessages:
        """One message that arrived."""
        if self.last is None:
            self.last = message.id - 1
        if message.id <= self.last:  # another area's part of a commit, or one given up on
            return ReleasedMessages(messages=[message])
        if not self._waiting:
            self._since = now
        self._waiting[message.id].append(message)
        if sum(map(len, self._waiting.values())) > _MAX_WAITING:
            return self._release_incomplete()
        return ReleasedMessages(messages=self._pop_consecutive())

    def release_overdue(self, now: float) -> ReleasedMessages:
        """What has waited long enough goes on without what it waited for."""
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
