"""What the project's own codes are called in Dutch and English, and how figures and times are written. Pure.

The one home of the words that a mail, a page and an event's stored sentence share; texts that only one of them says
stay with it. Whoever stores a decision stores codes and figures: the words are found here when somebody reads it.
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Literal
from zoneinfo import ZoneInfo

Language = Literal["nl", "en"]
LANGUAGES: tuple[Language, ...] = ("nl", "en")
LOCAL = ZoneInfo("Europe/Amsterdam")  # whose clock people read
Words = Mapping[str, tuple[str, str]]  # a code and what it is called in LANGUAGES

PROPERTIES: Words = {
    "pm1": ("PM1", "PM1"),
    "pm2_5": ("PM2,5", "PM2.5"),
    "pm4": ("PM4", "PM4"),
    "pm10": ("PM10", "PM10"),
    "voc_raw": ("VOC (ruw signaal)", "VOC (raw signal)"),
    "voc_ohm": ("VOC (weerstand)", "VOC (resistance)"),
    "voc_ppb": ("VOC", "VOC"),
    "nox_raw": ("NOx (ruw signaal)", "NOx (raw signal)"),
    "ch4": ("methaan", "methane"),
    "co2": ("kooldioxide", "carbon dioxide"),
}
UNITS: Mapping[str, str] = MappingProxyType({
    "ug/m3": "µg/m³", "[ppm]": "ppm", "[ppb]": "ppb", "{ticks}": "ticks", "Ohm": "ohm", "Cel": "°C", "deg": "°",
})  # fmt: skip
FLAGS: Words = {
    "warm_up": ("sensor warmt op", "sensor is warming up"),
    "cleaning": ("sensor reinigt zich", "sensor is cleaning itself"),
    "out_of_range": ("buiten het bereik van de sensor", "outside the sensor's range"),
    "stale": ("oude waarde", "old value"),
    "checksum_retry": ("na een leesfout opnieuw gelezen", "read again after an error"),
    "stuck": ("sensor geeft steeds dezelfde waarde", "sensor gives one value again and again"),
    "humidity": ("zeer vochtige lucht: waarde kan te hoog zijn", "very humid air: value may be too high"),
    "clock_unsynced": ("klok niet gelijkgezet", "clock not set"),
    "size_extrapolated": ("deeltjesgrootte berekend, niet gemeten", "particle size computed, not measured"),
    "sensor_fault": ("sensor meldt storing", "sensor reports a fault"),
    "jump": ("ongeloofwaardige sprong", "a jump hard to believe"),
    "neighbour_disagrees": ("een tweede sensor geeft iets anders", "a second sensor disagrees"),
    "maintenance": ("er wordt aan het station gewerkt", "there is work at the station"),
    "calibration_expired": ("kalibratie verlopen", "calibration expired"),
    "time_suspect": ("tijd onzeker", "time uncertain"),
}
REASONS: Words = {
    **FLAGS,
    "far_above_noise": ("ver boven de gewone schommelingen", "far above the usual noise"),
    "near_noise": ("dicht bij de gewone schommelingen", "close to the usual noise"),
    "neighbours_rose": ("stations in de buurt stegen ook", "stations nearby rose too"),
    "all_neighbours": ("alle stations in de buurt stegen", "all stations nearby rose"),
    "twin_agrees": ("een tweede sensor zag het ook", "a second sensor saw it too"),
    "twin_disagrees": ("een tweede sensor zag het niet", "a second sensor did not see it"),
    "single_reading": ("maar één losse meting", "a single reading only"),
    "humidity": ("vochtige lucht kan meespelen", "humid air may play a part"),
}
SEVERITIES: Words = {
    "minor": ("licht", "minor"),
    "moderate": ("matig", "moderate"),
    "severe": ("ernstig", "severe"),
    "extreme": ("zeer ernstig", "extreme"),
}
_WINDS: Mapping[str, tuple[str, ...]] = {
    "nl": ("noorden", "noordoosten", "oosten", "zuidoosten", "zuiden", "zuidwesten", "westen", "noordwesten"),
    "en": ("north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west"),
}
_DAYS: Mapping[str, tuple[str, ...]] = {
    "nl": ("ma", "di", "wo", "do", "vr", "za", "zo"),
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
}


def word(words: Words, code: str, language: str) -> str:
    """What the code is called; one that nobody named is written as it is, with spaces."""
    found = words.get(code)
    return code.replace("_", " ") if found is None else found[0 if language == "nl" else 1]


def name(observed_property: str, language: str) -> str:
    """A property as people call it, in short; its id where it is not one of ours."""
    return word(PROPERTIES, observed_property, language) if observed_property in PROPERTIES else observed_property


def unit(code: str) -> str:
    """A UCUM unit as people write it."""
    return UNITS.get(code, code)


def flag(code: str, language: str) -> str:
    """A quality flag in plain words."""
    return word(FLAGS, code, language)


def reason(code: str, language: str) -> str:
    """One of a detector's reasons in plain words."""
    return word(REASONS, code, language)


def severity(code: str, language: str) -> str:
    """How bad, in plain words."""
    return word(SEVERITIES, code, language)


def direction(degrees: float, language: str) -> str:
    """Degrees from north as one of eight directions."""
    return _WINDS[language][round(degrees / 45) % 8]


def decimal(text: str, language: str) -> str:
    """A figure's text with the language's decimal sign."""
    return text.replace(".", ",") if language == "nl" else text


def number(value: float, language: str = "nl") -> str:
    """A figure in two or three significant digits."""
    text = f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 1 else f"{value:.2f}"
    return decimal(text, language)


def plain(value: float, language: str = "nl") -> str:
    """A figure in at most two digits and no more than it needs: 1, 2,5, 60."""
    return decimal(f"{value:.2g}" if value < 100 else f"{value:.0f}", language)


def clock(at: datetime, language: str = "nl") -> str:
    """Local time with its offset, so that nobody has to guess about summer time."""
    local = at.astimezone(LOCAL)
    return f"{_DAYS[language][local.weekday()]} {local:%d-%m-%Y %H:%M:%S} ({local:%Z}, UTC{local:%z})"


def short_clock(at: datetime) -> str:
    """Local time of day."""
    return f"{at.astimezone(LOCAL):%H:%M:%S}"
