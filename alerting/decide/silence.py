"""Silences and maintenance windows: somebody asked, with a reason and until a moment, not to be told. Pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from msgspec import Struct, structs

from alerting.decide.reason_detail import DetailCode, encode_detail
from alerting.decide.routing import Decision, DecisionReason


class Silence(Struct, frozen=True, kw_only=True, gc=False):
    """In force from `starts_at` until just before `ends_at`."""

    id: int
    match: tuple[str, ...]
    author: str
    reason: str
    starts_at: datetime
    ends_at: datetime
    kind: Literal["silence", "maintenance"] = "silence"

    def is_in_force(self, now: datetime) -> bool:
        """Never before its start, never from its end on."""
        return self.starts_at <= now < self.ends_at


def find_silence_reason(silences: Iterable[Silence], now: datetime) -> tuple[DecisionReason, str] | None:
    """Why nobody is told while a silence that fits the alert is in force, and whose it is."""
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
    """The verdict, withheld where there is a silence."""
    if silence_reason is None or not decision.notify:
        return decision
    return structs.replace(decision, notify=False, reason=silence_reason[0], detail=silence_reason[1])
