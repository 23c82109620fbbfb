"""Silences and maintenance windows: somebody asked, with a reason and until a moment, not to be told. Pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from msgspec import Struct, structs

from alerting.decide.reason_detail import Code, kept
from alerting.decide.routing import Reason, Verdict


class Silence(Struct, frozen=True, kw_only=True, gc=False):
    """In force from `starts_at` until just before `ends_at`."""

    id: int
    match: tuple[str, ...]
    author: str
    reason: str
    starts_at: datetime
    ends_at: datetime
    kind: Literal["silence", "maintenance"] = "silence"

    def in_force(self, now: datetime) -> bool:
        """Never before its start, never from its end on."""
        return self.starts_at <= now < self.ends_at


def silencing(fitting: Iterable[Silence], now: datetime) -> tuple[Reason, str] | None:
    """Why nobody is told while a silence that fits the alert is in force, and whose it is."""
    found = next((silence for silence in fitting if silence.in_force(now)), None)
    if found is None:
        return None
    reason = Reason.MAINTENANCE if found.kind == "maintenance" else Reason.SILENCED
    return reason, kept(
        Code(found.kind), id=str(found.id), author=found.author, until=found.ends_at, reason=found.reason
    )


def silenced(verdict: Verdict, by: tuple[Reason, str] | None) -> Verdict:
    """The verdict, withheld where there is a silence."""
    if by is None or not verdict.told:
        return verdict
    return structs.replace(verdict, told=False, reason=by[0], detail=by[1])
