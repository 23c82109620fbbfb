"""Names that files give to columns and to observed properties. Pure."""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from edge_agent.wire import PROPERTY

_BRACKETS = re.compile(r"\([^)]*\)|\[[^]]*\]")
_OTHER = re.compile(r"[^a-z0-9]")

# property -> the names that files have for it, without marks and spaces
_PROPERTY_NAMES: Mapping[str, tuple[str, ...]] = {
    "voc_raw": ("vocraw",),
    "voc_ppb": ("vocppb", "tvoc"),
    "voc_ohm": ("vocohm",),
    "nox_raw": ("noxraw",),
    "ch4": ("ch4", "methaan", "methane"),
    "co2": ("co2", "rco2", "carbondioxide", "kooldioxide"),
    "sound_laeq": ("soundlaeq", "noiselaeq", "laeq"),
    "temperature": ("temperature", "temperatuur", "temperatur", "temp", "atmp"),
    "humidity": ("humidity", "rh", "rhum", "relativehumidity", "luchtvochtigheid", "luftfeuchte", "relluftfeuchte"),
    "pressure": ("pressure", "luchtdruk", "luftdruck"),
    "wind_speed": ("windspeed", "windsnelheid"),
    "wind_direction": ("winddirection", "windrichting"),
}
_PARTICLES = re.compile(r"(?:fijnstof )?pm[ _]?(\d{1,2}(?:[.,_p]\d)?)\s*(?:raw)?", re.ASCII)
_PARTICLE_SIZES = MappingProxyType({1.0: "pm1", 2.5: "pm2_5", 25.0: "pm2_5", 4.0: "pm4", 10.0: "pm10"})
_BY_NAME = {alias: name for name, aliases in _PROPERTY_NAMES.items() for alias in aliases}

# role -> the names that files have for the column
ROLE_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "time": (
            "time", "timestamp", "datetime", "datumtijd", "tijdstip", "tijd", "observedat", "createdat", "utc",
            "datetimeutc", "utcdatetime", "datehour",
        ),
        "date": ("date", "datum"),
        "station": ("station", "stationid", "location", "locationid", "locatie", "meetpunt", "device", "deviceid",
                    "sensorid"),
        "property": ("property", "observedproperty", "parameter", "component", "stof", "phenomenon", "formula"),
        "value": ("value", "waarde", "meetwaarde", "wert"),
        "flags": ("flags",),
    }
)  # fmt: skip
_CLOCK_NAMES = ("time", "tijd")


def simplify(header: str) -> str:
    """`PM2.5 (ug/m3) raw` -> pm25raw: lower case, without brackets, marks and spaces."""
    return _OTHER.sub("", _BRACKETS.sub("", header.lower()))


def find_property(name: str) -> str | None:
    """The property that a file calls so, or None if the table lacks it. PM1.0 is PM1, and PM10 is not."""
    particles = _PARTICLES.fullmatch(_BRACKETS.sub("", name.lower()).strip())
    if particles is not None:
        return _PARTICLE_SIZES.get(float(re.sub("[,_p]", ".", particles[1])))
    simple = simplify(name)
    return _BY_NAME.get(simple) or _BY_NAME.get(simple.removesuffix("raw"))


def name_property(name: str) -> str | None:
    """The property of a row: as the table has it, or the name itself if it has the form of one."""
    listed = find_property(name)
    return listed or (name if re.fullmatch(PROPERTY, name) else None)


def is_clock(header: str) -> bool:
    """Whether a column of this name beside one with dates has the time of day."""
    return simplify(header) in _CLOCK_NAMES


def tenths(value: float) -> float:
    """Units of 0.1."""
    return value / 10


def pascals(value: float) -> float:
    """Pa -> hPa."""
    return value / 100


def fahrenheit(value: float) -> float:
    """Degrees Fahrenheit -> degrees Celsius."""
    return round((value - 32) / 1.8, 4)


def milligrams(value: float) -> float:
    """mg/m3 -> ug/m3."""
    return value * 1000


def same(value: float) -> float:
    """The unit of the property."""
    return value


def find_conversion(header: str, observed_property: str) -> Callable[[float], float]:
    """The conversion from the unit that the header names to the unit of the property."""
    text = header.lower()
    if observed_property == "temperature" and ("\u00b0f" in text or "fahrenheit" in text or text.endswith("_f")):
        return fahrenheit
    if observed_property == "pressure" and re.search(r"[(\[]\s*pa\s*[)\]]", text):
        return pascals
    if observed_property.startswith("pm") and "mg/m" in text and "\u00b5" not in text and "\u03bcg" not in text:
        return milligrams
    return same
