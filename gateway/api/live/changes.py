"""Changes that a returning viewer may have missed: the newest of each datastream, and the newest events. Pure.

One hub owns it. A change before `known_since`, or more changes than a replay holds, cannot be replayed: the viewer then
reads everything again.
"""

from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import NamedTuple

from gateway.api.live.frames import Subscription
from gateway.api.schemas.events import Event
from gateway.api.schemas.observations import LiveValue

_MAX_EVENTS = 5_000
_MAX_REPLAY_VALUES = 500
_MAX_REPLAY_EVENTS = 500
_MAX_REPLAY_STEPS = 2_000  # changed values that are searched for one replay: below a millisecond


class MissedChanges(NamedTuple):
    """Events since a commit, oldest first, and values, newest first."""

    events: list[Event]
    values: list[LiveValue]


class _Change(NamedTuple):
    commit: int
    area: str
    value: LiveValue


class ChangeHistory:
    """Changes by the number of their commit. `known_since`: those before this commit are unknown; None: all are."""

    def __init__(self) -> None:
        self.known_since: int | None = None
        self._last_changes: OrderedDict[tuple[str, str], _Change] = OrderedDict()  # by station and property
        self._events: deque[tuple[int, Event]] = deque()

    def forget(self, commit: int) -> None:
        """A change before this commit was missed."""
        self.known_since = commit
        self._events.clear()

    def record(self, commit: int, area: str, values: Sequence[LiveValue], events: Sequence[Event]) -> None:
        """Add the values and events of a commit of an area."""
        for value in values:
            key = value.station, value.observed_property
            self._last_changes[key] = _Change(commit, area, value)
            self._last_changes.move_to_end(key)
        self._events.extend((commit, event) for event in events)
        while len(self._events) > _MAX_EVENTS:
            self.known_since = max(self.known_since or 0, self._events.popleft()[0])

    def find_missed(self, subscription: Subscription, last_id: int) -> MissedChanges | None:
        """Return what changed since `last_id`; None if that is not known, or more than a replay holds."""
        if self.known_since is None or last_id < self.known_since:
            return None
        events, values = self._find_events(subscription, last_id), self._find_values(subscription, last_id)
        return None if events is None or values is None else MissedChanges(events, values)

    def _find_events(self, subscription: Subscription, last_id: int) -> list[Event] | None:
        missed: deque[Event] = deque()
        for commit, event in reversed(self._events):
            if commit <= last_id:
                break
            if subscription.matches(event.area, event.station, event.observed_property):
                missed.appendleft(event)
                if len(missed) > _MAX_REPLAY_EVENTS:
                    return None
        return list(missed)

    def _find_values(self, subscription: Subscription, last_id: int) -> list[LiveValue] | None:
        missed: list[LiveValue] = []
        for step, (key, change) in enumerate(reversed(self._last_changes.items())):
            if change.commit <= last_id:
                break
            if step >= _MAX_REPLAY_STEPS or len(missed) > _MAX_REPLAY_VALUES:
                return None
            if subscription.matches(change.area, *key):
                missed.append(change.value)
        return missed if len(missed) <= _MAX_REPLAY_VALUES else None
