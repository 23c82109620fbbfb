"""Names of our codes in Dutch and English, and how numbers and times are written. Pure but for reading the catalogue.

Mails, pages and an event's stored sentence share these; a text that only one of them uses stands in its own context of
the catalogue. A stored decision holds codes and numbers: the text is looked up when somebody reads it.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from math import floor, isfinite
from pathlib import Path
from types import MappingProxyType
from typing import Literal
from zoneinfo import ZoneInfo

from alerting.catalogue import Texts, load_texts

Language = Literal["nl", "en"]
LANGUAGES: tuple[Language, ...] = ("nl", "en")
LOCAL_TIMEZONE = ZoneInfo("Europe/Amsterdam")  # whose clock people read

UNIT_SYMBOLS: Mapping[str, str] = MappingProxyType({
    "ug/m3": "µg/m³", "[ppm]": "ppm", "[ppb]": "ppb", "{ticks}": "ticks", "Ohm": "ohm", "Cel": "°C", "deg": "°",
    "{index}": "index",
})  # fmt: skip
ARBITRARY_UNITS = frozenset({"{ticks}", "Ohm"})  # of raw signals, which only a background gives a meaning
_FOLDER = Path(__file__).parent
_EVERY_DIGIT = Context(prec=400)  # the largest float has 309 digits before its point
_DIRECTIONS = ("n", "ne", "e", "se", "s", "sw", "w", "nw")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def texts_of(context: str, language: str) -> Texts:
    """Return alerting's texts of one place, such as `email`, in one language."""
    return load_texts(_FOLDER, "alerting", context, language)


def unit_symbol(code: str) -> str:
    """A UCUM unit as people write it."""
    return UNIT_SYMBOLS.get(code, code)


def flag_text(code: str, language: str) -> str:
    """Return the text of a quality flag."""
    return texts_of("flag", language).describe(code)


def reason_text(code: str, language: str) -> str:
    """Return the text of a detector's reason."""
    return texts_of("reason", language).get(code) or flag_text(code, language)


def severity_text(code: str, language: str) -> str:
    """Return the text of a severity."""
    return texts_of("severity", language).describe(code)


def averaging_text(code: str, language: str) -> str:
    """Return what a value is: a single reading, or a mean over a minute, an hour, a day; `area`: computed over it."""
    return texts_of("averaging", language)[code]


def compass_direction(degrees: float, language: str) -> str:
    """Degrees from north as one of eight directions."""
    return texts_of("direction", language)[_DIRECTIONS[round(degrees / 45) % 8]]


def localize_decimal(text: str, language: str) -> str:
    """A figure's text with the language's decimal sign."""
    return text.replace(".", ",") if language == "nl" else text


def format_number(value: float, language: str = "nl") -> str:
    """A figure in two or three significant digits; halves go away from zero, as in browsers."""
    return localize_decimal(_round(value, 0 if abs(value) >= 100 else 1 if abs(value) >= 1 else 2), language)


def is_level(unit: str) -> bool:
    """Whether values of this unit (UCUM) are logarithms: 80 dB is not twice as much as 40 dB."""
    return unit.startswith("dB")


def format_ratio(peak: float, background: float, unit: str, language: str = "nl") -> str:
    """The peak as a multiple of the background; empty below 1.5 times, without a background, or of a level in dB."""
    if is_level(unit) or background <= 0 or peak < 1.5 * background:
        return ""
    ratio = peak / background
    return localize_decimal(_round(ratio, 1 if ratio < 10 else 0), language)


def format_share(peak: float, background: float, unit: str) -> str:
    """A peak below its background in percents of it; empty without a background, if it is not below, or of a level.

    Some signals fall when the air gets worse, such as the raw one of a sensor for volatile organic compounds.
    """
    return _round(100 * peak / background, 0) if 0 <= peak < background and not is_level(unit) else ""


def format_peak(peak: float, background: float, unit: str, language: str = "nl") -> str:
    """A peak with its unit; of a raw signal its share or multiple of the background, because its number means nothing.

    `unit`: UCUM code. `28842 ticks` at a background of 30597 is `94 % van de achtergrond`.
    """
    if unit not in ARBITRARY_UNITS or background <= 0:
        return f"{format_number(peak, language)} {unit_symbol(unit)}".strip()
    phrases, ratio = texts_of("phrase", language), format_ratio(peak, background, unit, language)
    if ratio:
        return phrases["times_background"].format(ratio=ratio)
    return phrases["share_of_background"].format(share=_round(100 * peak / background, 0))


def _round(value: float, digits: int) -> str:
    if not isfinite(value):
        return str(value)
    return str(Decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, _EVERY_DIGIT))


def format_short_number(value: float, language: str = "nl") -> str:
    """A figure in at most two digits and no more than it needs: 1, 2,5, 60."""
    return localize_decimal(f"{value:.2g}" if value < 100 else f"{value:.0f}", language)


_LONG_SECONDS = 172_800  # from two days on nobody counts hours


def format_duration(seconds: float, language: str = "nl") -> str:
    """A duration as everybody reads it: 45 seconden, 12 minuten, 1,5 uur, 3 dagen; halves go up, as in browsers."""
    phrases, whole_seconds = texts_of("phrase", language), max(1, floor(seconds + 0.5))
    if whole_seconds < 90:
        unit = "duration_second" if whole_seconds == 1 else "duration_seconds"
        return phrases[unit].format(count=whole_seconds)
    if whole_seconds < 5_400:
        return phrases["duration_minutes"].format(count=floor(whole_seconds / 60 + 0.5))
    if whole_seconds >= _LONG_SECONDS:
        return phrases["duration_days"].format(count=floor(whole_seconds / 86_400 + 0.5))
    hours = _round(whole_seconds / 3600, 1).removesuffix(".0")
    return phrases["duration_hours"].format(count=localize_decimal(hours, language))


def count_things(count: int, singular: str) -> str:
    """`1 receiver`, `2 receivers`; in English."""
    return f"{count} {singular}" if count == 1 else f"{count} {singular}s"


def format_time(at: datetime, language: str = "nl") -> str:
    """Local time with its offset, so that nobody has to guess about summer time."""
    local = at.astimezone(LOCAL_TIMEZONE)
    return f"{format_local_time(at, language)} ({local:%Z}, UTC{local:%z})"


def format_local_time(at: datetime, language: str = "nl") -> str:
    """Local time without its offset, beside a time that has it."""
    local = at.astimezone(LOCAL_TIMEZONE)
    return f"{texts_of('weekday', language)[WEEKDAYS[local.weekday()]]} {local:%d-%m-%Y %H:%M:%S}"


def format_time_of_day(at: datetime) -> str:
    """Local time of day."""
    return f"{at.astimezone(LOCAL_TIMEZONE):%H:%M:%S}"
