"""Live messages in the order of their commits, whichever way they came.

Every commit has a number from one sequence. A message that is ahead waits a moment for the ones before it;
where they do not come (a message lost on its way, or a commit undone) it goes on without them and says so.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.live.message import LiveMessage

_MOST_WAITING = 1_000


@dataclass(frozen=True, kw_only=True)
class Released:
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

    def take(self, message: LiveMessage, now: float) -> Released:
        """One message that arrived."""
        if self.last is None:
            self.last = message.id - 1
        if message.id <= self.last:  # another area's part of a commit, or one given up on
            return Released(messages=[message])
        if not self._waiting:
            self._since = now
        self._waiting[message.id].append(message)
        if sum(map(len, self._waiting.values())) > _MOST_WAITING:
            return self._given_up()
        return Released(messages=self._next())

    def expire(self, now: float) -> Released:
        """What has waited long enough goes on without what it waited for."""
        due = self.due
        return Released() if due is None or now < due else self._given_up()

    def _given_up(self) -> Released:
        self.last = min(self._waiting) - 1
        return Released(messages=self._next(), lost=True)

    def _next(self) -> list[LiveMessage]:
        out: list[LiveMessage] = []
        while self.last is not None and self.last + 1 in self._waiting:
            self.last += 1
            out += self._waiting.pop(self.last)
        return out
