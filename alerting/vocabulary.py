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
LOCAL_TIMEZONE = ZoneInfo("Europe/Amsterdam")  # whose clock people read
Translations = Mapping[str, tuple[str, str]]  # a code and what it is called in LANGUAGES

PROPERTY_NAMES: Translations = {
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
UNIT_SYMBOLS: Mapping[str, str] = MappingProxyType({
    "ug/m3": "µg/m³", "[ppm]": "ppm", "[ppb]": "ppb", "{ticks}": "ticks", "Ohm": "ohm", "Cel": "°C", "deg": "°",
})  # fmt: skip
FLAG_TEXTS: Translations = {
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
REASON_TEXTS: Translations = {
    **FLAG_TEXTS,
    "far_above_noise": ("ver boven de gewone schommelingen", "far above the usual noise"),
    "near_noise": ("dicht bij de gewone schommelingen", "close to the usual noise"),
    "neighbours_rose": ("stations in de buurt stegen ook", "stations nearby rose too"),
    "all_neighbours": ("alle stations in de buurt stegen", "all stations nearby rose"),
    "twin_agrees": ("een tweede sensor zag het ook", "a second sensor saw it too"),
    "twin_disagrees": ("een tweede sensor zag het niet", "a second sensor did not see it"),
    "single_reading": ("maar één losse meting", "a single reading only"),
    "humidity": ("vochtige lucht kan meespelen", "humid air may play a part"),
}
SEVERITY_TEXTS: Translations = {
    "minor": ("licht", "minor"),
    "moderate": ("matig", "moderate"),
    "severe": ("ernstig", "severe"),
    "extreme": ("zeer ernstig", "extreme"),
}
_COMPASS_DIRECTIONS: Mapping[str, tuple[str, ...]] = {
    "nl": ("noorden", "noordoosten", "oosten", "zuidoosten", "zuiden", "zuidwesten", "westen", "noordwesten"),
    "en": ("north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west"),
}
_WEEKDAYS: Mapping[str, tuple[str, ...]] = {
    "nl": ("ma", "di", "wo", "do", "vr", "za", "zo"),
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
}


def translate(translations: Translations, code: str, language: str) -> str:
    """What the code is called; one that nobody named is written as it is, with spaces."""
    translation = translations.get(code)
    return code.replace("_", " ") if translation is None else translation[0 if language == "nl" else 1]


def property_name(observed_property: str, language: str) -> str:
    """A property as people call it, in short; its id where it is not one of ours."""
    return (
        translate(PROPERTY_NAMES, observed_property, language)
        if observed_property in PROPERTY_NAMES
        else observed_property
    )


def unit_symbol(code: str) -> str:
    """A UCUM unit as people write it."""
    return UNIT_SYMBOLS.get(code, code)


def flag_text(code: str, language: str) -> str:
    """A quality flag in plain words."""
    return translate(FLAG_TEXTS, code, language)


def reason_text(code: str, language: str) -> str:
    """One of a detector's reasons in plain words."""
    return translate(REASON_TEXTS, code, language)


def severity_text(code: str, language: str) -> str:
    """How bad, in plain words."""
    return translate(SEVERITY_TEXTS, code, language)


def compass_direction(degrees: float, language: str) -> str:
    """Degrees from north as one of eight directions."""
    return _COMPASS_DIRECTIONS[language][round(degrees / 45) % 8]


def localize_decimal(text: str, language: str) -> str:
    """A figure's text with the language's decimal sign."""
    return text.replace(".", ",") if language == "nl" else text


def format_number(value: float, language: str = "nl") -> str:
    """A figure in two or three significant digits."""
    text = f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 1 else f"{value:.2f}"
    return localize_decimal(text, language)


def format_short_number(value: float, language: str = "nl") -> str:
    """A figure in at most two digits and no more than it needs: 1, 2,5, 60."""
    return localize_decimal(f"{value:.2g}" if value < 100 else f"{value:.0f}", language)


def format_time(at: datetime, language: str = "nl") -> str:
    """Local time with its offset, so that nobody has to guess about summer time."""
    local = at.astimezone(LOCAL_TIMEZONE)
    return f"{_WEEKDAYS[language][local.weekday()]} {local:%d-%m-%Y %H:%M:%S} ({local:%Z}, UTC{local:%z})"


def format_time_of_day(at: datetime) -> str:
    """Local time of day."""
    return f"{at.astimezone(LOCAL_TIMEZONE):%H:%M:%S}"
