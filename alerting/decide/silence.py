"""Silences and maintenance windows: matching alerts notify nobody until a set time, for a stated reason. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct, structs

from alerting.decide.matcher import MatcherIndex
from alerting.decide.reason_detail import DetailCode, encode_detail
from alerting.decide.routing import Decision, DecisionReason


class Silence(Struct, frozen=True, kw_only=True, gc=False):
    """In force from `starts_at` until just before `ends_at`."""

    id: int
    match: Sequence[str]
    author: str
    reason: str
    starts_at: datetime
    ends_at: datetime
    kind: Literal["silence", "maintenance"] = "silence"

    def is_in_force(self, now: datetime) -> bool:
        """Return whether `now` is within; the end itself is not."""
        return self.starts_at <= now < self.ends_at


def index_silences(silences: Sequence[Silence]) -> MatcherIndex[Silence]:
    """Return the silences by their matchers; those that cannot be evaluated are in its `set_aside`."""
    return MatcherIndex([(silence, silence.match) for silence in silences])


def find_silence_reason(silences: Iterable[Silence], now: datetime) -> tuple[DecisionReason, str] | None:
    """Return reason and detail of the first silence in force, or None; `silences` are those that match the alert."""
    silence = next((silence for silence in silences if silence.is_in_force(now)), None)
    if silence is None:
        return None
    reason = DecisionReason.MAINTENANCE if silence.kind == "maintenance" else DecisionReason.SILENCED
    return reason, encode_detail(
        DetailCode(silence.kind),
        id=str(silence.id),
        author=silence.author,
        until=silence.ends_at,
        reason=silence.reason,
    )


def apply_silence(decision: Decision, silence_reason: tuple[DecisionReason, str] | None) -> Decision:
    """Return the decision, turned into no notification if there is a silence."""
    if silence_reason is None or not decision.notify:
        return decision
    return structs.replace(decision, notify=False, reason=silence_reason[0], detail=silence_reason[1])
