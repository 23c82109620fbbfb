"""Duty rosters: a name in a route that stands for the receiver on duty, another one each week. Pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated

from msgspec import Meta, Struct

from alerting.alert import AwareTime
from alerting.errors import SettingsError
from alerting.vocabulary import LOCAL_TIMEZONE


class Shift(Struct, frozen=True, kw_only=True):
    """`[[alerting.roster.shift]]`: an exchange of duty. If several hold, the last listed one counts.

    receiver  receiver on duty
    begins    first moment of the exchange
    ends      first moment after it
    """

    receiver: str
    begins: AwareTime
    ends: AwareTime

    def __post_init__(self) -> None:
        if self.begins >= self.ends:
            raise SettingsError(f"shift of {self.receiver!r}: ends before it begins")


class Roster(Struct, frozen=True, kw_only=True):
    """`[[alerting.roster]]`: a name for the receiver on duty.

    name       name in routes
    otherwise  receiver on duty before `begins` and without turns, so that there always is one
    turn       receivers in the order of their turns
    begins     start of the first turn; turns change at this local time of day, in summer and winter
    days       length of a turn
    shift      exchanges of duty
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
