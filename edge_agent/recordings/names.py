"""Names that files give to columns and to observed properties. Pure."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from edge_agent.recordings import units
from edge_agent.wire import PROPERTY

_BRACKETS = re.compile(r"\((?:[^()]|\([^()]*\))*\)|\[[^]]*\]")
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
    "sound_lmin": ("soundlmin", "noiselamin", "lamin"),
    "sound_lmax": ("soundlmax", "noiselamax", "lamax"),
    "odour_index": ("odourindex", "geurindex"),
    "vibration": ("vibration", "trilling"),
    "temperature": ("temperature", "temperatuur", "temperatur", "temp", "atmp"),
    "humidity": (
        "humidity",
        "rh",
        "rhum",
        "relativehumidity",
        "relhumidity",
        "luchtvochtigheid",
        "luftfeuchte",
        "relluftfeuchte",
    ),
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
            "datetimeutc", "utcdatetime", "timeutc", "timestamputc", "datehour",
        ),
        "date": ("date", "datum"),
        "station": ("station", "stationid", "location", "locationid", "locatie", "meetpunt", "device", "deviceid",
                    "sensorid"),
        "property": ("property", "observedproperty", "parameter", "component", "stof", "phenomenon", "formula"),
        "value": ("value", "waarde", "meetwaarde", "wert"),
        "unit": ("unit", "units", "uom", "eenheid", "einheit"),
        "flags": ("flags",),
    }
)  # fmt: skip
_UTC = re.compile(r"(?<![a-z])(?:utc|gmt)(?![a-z])|^utc|utc$")
_CLOCK_NAMES = ("time", "tijd")


def simplify(header: str) -> str:
    """`PM2.5 (ug/m3) raw` -> pm25raw: lower case, without brackets, marks and spaces."""
    return _OTHER.sub("", _BRACKETS.sub("", header.lower()))


def find_property(name: str) -> str | None:
    """The property that a file calls so, or None if the table lacks it. PM1.0 is PM1, and PM10 is not."""
    listed = _find_listed(name)
    if listed is not None:
        return listed
    for prefix, unit in units.split_suffix(name):
        listed = _find_listed(prefix)
        if listed is not None and units.normalise(unit) in units.UNITS[listed]:
            return listed
    return None


def _find_listed(name: str) -> str | None:
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


def is_utc(header: str) -> bool:
    """Whether the name of a column marks its times as UTC: `time_utc`, `Timestamp (UTC)`."""
    return _UTC.search(header.strip().lower().replace("_", " ")) is not None
