"""Formats of pages and documents for people: texts, numbers, times and names in one language. Pure."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from alerting import vocabulary
from alerting.catalogue import Texts
from alerting.vocabulary import LOCAL_TIMEZONE, Language
from gateway.api.data.registry import PublicRegistry
from gateway.api.schemas.events import Event
from gateway.api.schemas.plumes import PlumeEvent
from gateway.export.selection import Averaging
from gateway.model.texts import texts_of

_MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
ARBITRARY_SCALE_UNITS = ("{ticks}", "Ohm", "hPa")  # charts of these need not begin at zero


@dataclass(frozen=True, kw_only=True)
class Formats:
    """The formats of one page or document. `now`: until when an event lasts that goes on."""

    language: Language
    now: datetime
    registry: PublicRegistry

    @property
    def texts(self) -> Texts:
        """Every text in the page's language."""
        return texts_of("page", self.language)

    @property
    def decimal_separator(self) -> str:
        """The decimal comma or point."""
        return "," if self.language == "nl" else "."

    def name_of(self, observed_property: str) -> str:
        """The name of a property, or its id if the registry lacks it."""
        row = self.registry.properties.get(observed_property)
        if row is None:
            return observed_property
        return row.name_nl if self.language == "nl" else row.name_en

    def unit_of(self, code: str) -> str:
        """The symbol of a UCUM unit."""
        return vocabulary.unit_symbol(code)

    @property
    def averagings(self) -> dict[str, str]:
        """The texts of all kinds of averaging, for the scripts."""
        return {code: self.averaging(code) for code in (*Averaging, "area")}

    def averaging(self, code: str) -> str:
        """The averaging of a value, to stand beside it: a single reading, or a mean over a minute, an hour or a day."""
        return vocabulary.averaging_text(code, self.language)

    def flags(self, names: list[str]) -> str:
        """The texts of flags."""
        return ", ".join(vocabulary.flag_text(name, self.language) for name in names)

    def minute_flags(self, minute: dict[str, Any]) -> str:
        """The texts of a newest minute's flags, and why a newer reading does not count."""
        texts = self.flags(minute["flags"])
        excluded = minute["excluded"]
        if excluded is None:
            return texts
        reason = f"{self.texts['excluded_now']}: {self.flags(excluded['flags']) or self.texts['no_valid']}"
        return f"{texts}; {reason}" if texts else reason

    def reasons(self, codes: list[str]) -> str:
        """The texts of reason codes."""
        return "; ".join(vocabulary.reason_text(code, self.language) for code in codes)

    def number(self, value: float | None) -> str:
        """A number in about three digits; a dash for None."""
        return "–" if value is None else vocabulary.format_number(value, self.language)

    def peak(self, peak: float, background: float, unit: str) -> str:
        """A peak with its unit; of a raw signal its share or multiple of the background."""
        return vocabulary.format_peak(peak, background, unit, self.language)

    def level(self, value: float | None, unit: str, background: float | None) -> str:
        """A value with its unit; of a raw signal its share of the background, and a dash without a background."""
        if value is None or not self.is_raw_signal(unit):
            return f"{self.number(value)} {self.unit_of(unit)}".strip() if value is not None else "–"
        return self.peak(value, background, unit) if background else "–"

    def is_raw_signal(self, unit: str) -> bool:
        """Whether a number in that unit means nothing without its background."""
        return unit in vocabulary.ARBITRARY_UNITS

    @property
    def peak_phrases(self) -> dict[str, str]:
        """The texts with which scripts write the peak of a raw signal, as `peak` does."""
        phrases = vocabulary.texts_of("phrase", self.language)
        return {
            "share": phrases["share_of_background"],
            "times": phrases["times_background"],
            "units": " ".join(sorted(vocabulary.ARBITRARY_UNITS)),
        }

    def plain_number(self, value: float) -> str:
        """A number with all its digits, as configured."""
        return vocabulary.localize_decimal(f"{value:g}", self.language)

    def distance(self, metres: float) -> str:
        """A distance in metres, rounded to hundreds, or in kilometres."""
        if metres < 950:
            return f"{max(100, round(metres, -2)):.0f} m"
        return f"{self.plain_number(round(metres / 1_000, 1))} km"

    def percent(self, value: float) -> str:
        """A share in whole percents, without the sign."""
        return f"{100 * value:.0f}"

    def time_of_day(self, text: str | None) -> str:
        """Local time of day."""
        return "–" if text is None else f"{_local(text):%H:%M:%S}"

    def clock(self, text: str) -> str:
        """Local time of day to the minute."""
        return f"{_local(text):%H:%M}"

    def short_time(self, text: str) -> str:
        """Local date and time to the minute in figures, for a narrow table."""
        return f"{_local(text):%d-%m %H:%M}"

    def figure_time(self, text: str) -> str:
        """Local date and time to the second in figures, for a table."""
        return f"{_local(text):%d-%m-%Y %H:%M:%S}"

    def short_date_time(self, text: str) -> str:
        """Local date and time, without the date if it is today."""
        at = _local(text)
        return f"{at:%H:%M}" if at.date() == self.now.astimezone(LOCAL_TIMEZONE).date() else self.date_time(text)

    def date_of(self, text: str) -> str:
        """Local date."""
        at = _local(text)
        return f"{at.day} {texts_of('month', self.language)[_MONTHS[at.month - 1]]} {at.year}"

    def month(self, day: date) -> str:
        """The month of a day, with its year."""
        return f"{texts_of('month', self.language)[_MONTHS[day.month - 1]]} {day.year}"

    def weekdays(self) -> list[str]:
        """The names of the days from Monday to Sunday."""
        texts = vocabulary.texts_of("weekday", self.language)
        return [texts[name] for name in vocabulary.WEEKDAYS]

    def date_time(self, text: str) -> str:
        """Local date and time, for pages that are stored, printed or read on another day."""
        return f"{self.date_of(text)}, {_local(text):%H:%M}"

    def date_time_seconds(self, text: str) -> str:
        """The same to the second."""
        return f"{self.date_time(text)}:{_local(text):%S}"

    def iso_date_time(self, text: str) -> str:
        """Local date and time to the second with the UTC offset, for a `title`."""
        return f"{_local(text):%Y-%m-%d %H:%M:%S %z}"

    def local_input(self, at: datetime) -> str:
        """Local date and time as a form of a browser holds it."""
        return f"{at.astimezone(LOCAL_TIMEZONE):%Y-%m-%dT%H:%M}"

    def duration(self, start: str, end: str | None) -> str:
        """A duration as text; without an end it lasts until now."""
        ends_at = self.now if end is None else datetime.fromisoformat(end)
        return vocabulary.format_duration((ends_at - datetime.fromisoformat(start)).total_seconds(), self.language)

    def ratio(self, peak: float, background: float, unit: str) -> str:
        """The peak as a multiple of the background, beside its value; empty where `vocabulary.format_ratio` is."""
        return vocabulary.format_ratio(peak, background, unit, self.language)

    def peak_ratio(self, event: Event | PlumeEvent) -> str:
        """The peak as a multiple of the background, beside `peak`; empty if the peak is shown as such already."""
        if self.is_raw_signal(event.unit):
            return ""
        return self.ratio(event.peak, event.background, event.unit)


def _local(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(LOCAL_TIMEZONE)
