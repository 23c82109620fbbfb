"""Duty rosters: a name in a route that stands for the receiver on duty, another one each week. Pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated

from msgspec import Meta, Struct

from alerting.alert import AwareTime
from alerting.errors import SettingsError
from alerting.vocabulary import LOCAL_TIMEZONE


class Shift(Struct, frozen=True, kw_only=True):
    """`[[alerting.roster.shift]]`: `receiver` replaces the turn from `begins` until `ends`; the last listed wins."""

    receiver: str
    begins: AwareTime
    ends: AwareTime

    def __post_init__(self) -> None:
        if self.begins >= self.ends:
            raise SettingsError(f"shift of {self.receiver!r}: ends before it begins")


class Roster(Struct, frozen=True, kw_only=True):
    """`[[alerting.roster]]`: receivers in `turn`, each for `days`, the first from `begins` on.

    Turns change at the same local time, summer and winter. `otherwise` is on duty before `begins` and if there are
    no turns, so that a receiver is always on duty.
    """

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    otherwise: str
    turn: list[str] = []
    begins: AwareTime | None = None
    days: Annotated[int, Meta(ge=1, le=366)] = 7
    shift: list[Shift] = []

    def __post_init__(self) -> None:
        if self.turn and self.begins is None:
            raise SettingsError(f"roster {self.name!r}: `begins` is missing: when does the first turn begin?")

    @property
    def members(self) -> frozenset[str]:
        """Receivers that can be on duty."""
        return frozenset({self.otherwise, *self.turn, *(shift.receiver for shift in self.shift)})

    def find_on_duty(self, now: datetime) -> str:
        """Return the receiver on duty at that moment; there is always one."""
        for shift in reversed(self.shift):
            if shift.begins <= now < shift.ends:
                return shift.receiver
        if self.begins is None or not self.turn or now < self.begins:
            return self.otherwise
        elapsed = now.astimezone(LOCAL_TIMEZONE).replace(tzinfo=None) - self.begins.astimezone(LOCAL_TIMEZONE).replace(
            tzinfo=None
        )
        return self.turn[max(0, elapsed // timedelta(days=self.days)) % len(self.turn)]


class Rosters:
    """All rosters by name. A name without a roster is a receiver."""

    def __init__(self, rosters: Iterable[Roster] = ()) -> None:
        self._by_name = {roster.name: roster for roster in rosters}

    def resolve(self, name: str, now: datetime) -> str:
        """Return the receiver that the name stands for at that moment."""
        roster = self._by_name.get(name)
        return roster.find_on_duty(now) if roster else name

    def can_lead_to(self, name: str, receiver: str) -> bool:
        """Return whether the name can stand for the receiver."""
        roster = self._by_name.get(name)
        return receiver in roster.members if roster else name == receiver
