"""Months on the inspector pages: `month=2026-11` in an address, with the months around it. Pure."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from alerting.vocabulary import LOCAL_TIMEZONE


@dataclass(frozen=True, kw_only=True)
class Month:
    """A calendar month of Dutch time; `first` is its first day."""

    first: date

    @property
    def previous(self) -> str:
        """The month before, as an address has it."""
        return f"{self.first - timedelta(days=1):%Y-%m}"

    @property
    def following(self) -> str:
        """The month after."""
        return f"{self._next_first:%Y-%m}"

    @property
    def bounds(self) -> tuple[datetime, datetime]:
        """Its first moment, and the first of the next month."""
        return midnight(self.first), midnight(self._next_first)

    @property
    def _next_first(self) -> date:
        return (self.first + timedelta(days=32)).replace(day=1)


def parse_month(text: str, now: datetime) -> Month:
    """The month of an address; the present one if it cannot be read."""
    first = parse_day(f"{text}-01") or now.astimezone(LOCAL_TIMEZONE).date().replace(day=1)
    return Month(first=first)


def parse_day(text: str) -> date | None:
    """A day of an address; None if it cannot be read or lies in another century."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 2000 <= day.year <= 2200 else None


def midnight(day: date) -> datetime:
    """The first moment of a day of Dutch time."""
    return datetime.combine(day, time(), LOCAL_TIMEZONE)
