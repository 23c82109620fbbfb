"""The units that files and posts name, and the conversion of each to the unit of its property. Pure.

A number is not used if its unit is named and not read here, because 20 knots are no 20 m/s.

The unit stands in the name of a column, as in `wind_speed_kmh`, in a row under the names, or in a column of units.
"""

import re
from collections.abc import Callable, Iterator, Mapping

Conversion = Callable[[float], float]

_BRACKETS = re.compile(r"[(\[]\s*([^()\[\]]*(?:\([^()]*\))?[^()\[\]]*?)\s*[)\]]")
_NOT_READ = frozenset({"-", "bft", "beaufort", "index", "aqi", "iaq", "raw", "mv", "v", "counts", "pcs", "pcs/l"})
_MARKS_OF_UNITS = re.compile("[/%#\u00b0]")
_SPELLINGS = str.maketrans({
    "\u00b5": "u", "\u03bc": "u", "\u00b3": "3", "\u00b2": "2", "\u00ba": "deg", "\u00b0": "deg", "\u03c9": "ohm",
    "\u2103": "degc", "\u2109": "degf", " ": "", "^": "", "\u00a0": "", "*": "",
})  # fmt: skip


def same(value: float) -> float:
    """The unit of the property."""
    return value


def fahrenheit(value: float) -> float:
    """Degrees Fahrenheit -> degrees Celsius."""
    return round((value - 32) / 1.8, 4)


def kelvin(value: float) -> float:
    """Kelvin -> degrees Celsius."""
    return round(value - 273.15, 4)


def times(factor: float) -> Conversion:
    """A unit that is so many units of the property."""
    return lambda value: round(value * factor, 9)


def divided_by(divisor: float) -> Conversion:
    """A unit of which so many are one unit of the property."""
    return lambda value: value / divisor


def _units(conversion: Conversion, *names: str) -> dict[str, Conversion]:
    return dict.fromkeys(names, conversion)


_MASS = {
    **_units(same, "ug/m3", "ugm-3", "ugm3", "ug/cbm"),
    **_units(times(1000), "mg/m3", "mgm-3", "mgm3"),
    **_units(divided_by(1000), "ng/m3", "ngm-3", "ngm3"),
}
_PPM = {
    **_units(same, "ppm", "ppmv", "[ppm]"),
    **_units(divided_by(1000), "ppb", "ppbv", "[ppb]"),
    **_units(times(10_000), "%", "vol%"),
}
_DECIBELS = _units(same, "db(a)", "dba", "db")
UNITS: Mapping[str, Mapping[str, Conversion]] = {
    **dict.fromkeys(("pm1", "pm2_5", "pm4", "pm10"), _MASS),
    "temperature": {
        **_units(same, "degc", "c", "celsius", "cel", "gradc", "degreesc", "gradenc", "gradencelsius"),
        **_units(fahrenheit, "degf", "f", "fahrenheit", "degreesf"),
        **_units(kelvin, "k", "kelvin", "degk"),
    },
    "humidity": {
        **_units(same, "%", "%rh", "rh%", "percent", "procent", "pct", "%rv", "%r.h."),
        **_units(times(100), "/", "fraction"),
    },
    "pressure": {
        **_units(same, "hpa", "mbar", "mb", "millibar"),
        **_units(divided_by(100), "pa", "pascal"),
        **_units(times(10), "kpa"),
        **_units(times(1000), "bar"),
        **_units(times(1.33322387415), "mmhg", "torr"),
        **_units(times(33.86389), "inhg"),
    },
    "wind_speed": {
        **_units(same, "m/s", "ms-1", "mps", "ms", "m/sec"),
        **_units(divided_by(3.6), "km/h", "kmh", "kph", "kmh-1", "km/u", "kmu"),
        **_units(times(0.514444), "kn", "kt", "kts", "knots", "knopen", "knoop"),
        **_units(times(0.44704), "mph", "mi/h"),
    },
    "wind_direction": _units(same, "deg", "degrees", "graden", "degn", "degree"),
    "co2": _PPM,
    "ch4": _PPM,
    "voc_ppb": {**_units(same, "ppb", "ppbv", "[ppb]"), **_units(times(1000), "ppm", "ppmv")},
    "voc_raw": _units(same, "ticks", "{ticks}", "raw"),
    "nox_raw": _units(same, "ticks", "{ticks}", "raw"),
    "voc_ohm": {**_units(same, "ohm", "ohms"), **_units(times(1000), "kohm", "kohms")},
    "sound_laeq": _DECIBELS,
    "sound_lmin": _DECIBELS,
    "sound_lmax": _DECIBELS,
    "odour_index": _units(same, "{index}", "index", "1"),
    "vibration": {
        **_units(same, "mm/s", "mms-1", "mm/sec"),
        **_units(times(1000), "m/s", "ms-1"),
        **_units(divided_by(1000), "um/s", "ums-1"),
    },
}
_ALL = frozenset(unit for units in UNITS.values() for unit in units)


def normalise(unit: str) -> str:
    """`\u00b5g/m\u00b3` -> ug/m3: one spelling per unit."""
    return unit.strip().lower().translate(_SPELLINGS)


def find_conversion(unit: str, observed_property: str) -> Conversion | None:
    """The conversion to the unit of the property; None if this unit of this property is not read."""
    units = UNITS.get(observed_property)
    return same if units is None else units.get(normalise(unit))


def is_unit(text: str) -> bool:
    """Whether a text is a unit, also one that is not read; `outdoor` and `BME280` are none."""
    unit = normalise(text)
    return unit in _ALL or unit in _NOT_READ or _MARKS_OF_UNITS.search(text) is not None


def find_units(header: str) -> list[str]:
    """The units that the name of a column has in brackets: `PM2.5 (\u00b5g/m\u00b3) raw` -> [\u00b5g/m\u00b3]."""
    return [text for text in _BRACKETS.findall(header) if is_unit(text)]


def split_suffix(header: str) -> Iterator[tuple[str, str]]:
    """The ways to read the end of a name as a unit: `pm25_ug_m3` -> (pm25_ug, m3), (pm25, ug/m3)."""
    parts = re.split(r"[_,;\s]+", header.strip())
    for count in (1, 2):
        if len(parts) > count:
            yield header.strip()[: header.strip().rindex(parts[-count])].rstrip("_,; \t"), "/".join(parts[-count:])


def find_header_conversion(header: str, observed_property: str) -> Conversion | None:
    """The conversion from the unit that a name of a column states; without a unit `same`; None if it is not read."""
    named = find_units(header)
    if named:
        conversions = [find_conversion(unit, observed_property) for unit in named]
        return next((conversion for conversion in conversions if conversion is not None), None)
    units = UNITS.get(observed_property, {})
    suffixes = [normalise(unit) for _, unit in split_suffix(header)]
    read = [units[suffix] for suffix in suffixes if suffix in units]
    if read:
        return read[0]
    return None if any(_MARKS_OF_UNITS.search(suffix) for suffix in suffixes[:1]) else same
