"""The formats that are read by name or recognised: from the names of the columns to a Plan. Pure.

Each format is a function of a Header that returns a Plan, or None if the header is not its own. The first that fits is
taken; `table`, which knows columns by their names only, is the last.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from edge_agent.configuration import ConfigurationError
from edge_agent.recordings import names, units
from edge_agent.recordings.header import Columns, Header, choose_columns, convert_columns
from edge_agent.recordings.plain_table import build_plan
from edge_agent.recordings.plan import Plan, RecordingOptions, ValueColumn
from edge_agent.recordings.units import fahrenheit, same
from edge_agent.sensor_models import MODELS, find_model
from edge_agent.wire import DOUBTFUL_FLAGS, PROPERTY

_TENTHS, _PASCALS = units.divided_by(10), units.divided_by(100)


def _export(header: Header) -> Plan | None:
    """The files of `piekwacht export` and the API: single readings or means."""
    if not header.has("station", "observed_property", "flags"):
        return None
    is_raw = header.has("observed_at", "value")
    if not is_raw and not header.has("start", "mean"):
        return None
    offset = header.find("utc_offset")  # csv-nl has local times and a column of their offsets
    return Plan(
        format="piekwacht",
        times=[header.index("observed_at" if is_raw else "start"), *([] if offset is None else [offset])],
        station=header.index("station"),
        observed_property=header.index("observed_property"),
        columns=[ValueColumn(header.index("value" if is_raw else "mean"), None)],
        flags=header.index("flags"),
        flag_mask=-1 if is_raw else int(DOUBTFUL_FLAGS),
        notes=() if is_raw else ("means of valid values are read as readings at the beginning of their period",),
    )


_SENSOR_COMMUNITY: Columns = {
    "p0": ("pm1", same),
    "p1": ("pm10", same),
    "p2": ("pm2_5", same),
    "p4": ("pm4", same),
    "temperature": ("temperature", same),
    "humidity": ("humidity", same),
    "pressure": ("pressure", _PASCALS),
    "noise_laeq": ("sound_laeq", same),
    "noise_la_min": ("sound_lmin", same),
    "noise_la_max": ("sound_lmax", same),
}


def _sensor_community(header: Header) -> Plan | None:
    """A day's file of the archive of sensor.community: one sensor, times in UTC, pressure in Pa."""
    if not header.has("sensor_id", "sensor_type", "timestamp"):
        return None
    return Plan(
        format="sensor-community",
        times=[header.index("timestamp")],
        zone="UTC",
        station=header.index("sensor_id"),
        model_name=header.index("sensor_type"),
        is_model_needed=True,  # P1 and P2 of a PPD42NS are numbers of particles
        columns=choose_columns(header, _SENSOR_COMMUNITY),
    )


_PURPLEAIR: Columns = {
    "pm2.5_atm": ("pm2_5", same),
    "pm2.5_atm_a": ("pm2_5", same),
    "pm2_5_atm": ("pm2_5", same),
    "pm2.5_alt": ("pm2_5", same),
    "pm1.0_atm": ("pm1", same),
    "pm1.0_atm_a": ("pm1", same),
    "pm1_0_atm": ("pm1", same),
    "pm10.0_atm": ("pm10", same),
    "pm10.0_atm_a": ("pm10", same),
    "pm10_0_atm": ("pm10", same),
    "humidity": ("humidity", same),
    "humidity_a": ("humidity", same),
    "current_humidity": ("humidity", same),
    "temperature": ("temperature", fahrenheit),
    "temperature_a": ("temperature", fahrenheit),
    "current_temp_f": ("temperature", fahrenheit),
    "pressure": ("pressure", same),
    "pressure_a": ("pressure", same),
}
_PURPLEAIR_ALONE = ("pm2.5_atm", "pm2.5_atm_a", "pm2.5_alt", "pm2.5_cf_1", "pm2.5_cf_1_a")
_SECOND_COUNTERS = ("pm2.5_atm_b", "pm2_5_atm_b")


def _purpleair(header: Header) -> Plan | None:
    """History of the API or a file of the SD card: UTC, degrees Fahrenheit, two counters of one air."""
    names_sensor = header.has("time_stamp", "sensor_index") or header.has("utcdatetime", "mac_address")
    if not names_sensor and not (header.has("time_stamp") and header.find(*_PURPLEAIR_ALONE) is not None):
        return None
    second = next((column for column in _SECOND_COUNTERS if header.has(column)), None)
    note = f"{second} is the second counter of the same air; it is not read"
    return Plan(
        format="purpleair",
        times=[header.index("time_stamp", "utcdatetime")],
        zone="UTC",
        station=header.find("sensor_index", "mac_address"),
        model="purpleair",
        columns=choose_columns(header, _PURPLEAIR),
        notes=() if second is None else (note,),
    )


def _airgradient(header: Header) -> Plan | None:
    """Export of the dashboard: raw values; the corrected ones are not read."""
    if not header.has("utc date/time"):
        return None
    raw = [
        (index, observed_property)
        for index, text in enumerate(header.texts)
        if "corrected" not in text.lower() and (observed_property := names.find_property(text)) is not None
    ]
    columns, notes = convert_columns(header, {name: index for index, name in reversed(raw)})
    if "corrected" in str(header.texts):
        notes.append("the raw values are read, not the corrected ones")
    return Plan(
        format="airgradient",
        times=[header.index("utc date/time")],
        zone="UTC",
        station=header.find("location id", "location name"),
        model="airgradient",
        columns=columns,
        notes=notes,
    )


def _opensensemap(header: Header) -> Plan | None:
    """Download of openSenseMap, for one sensor or for one phenomenon."""
    if not header.has("createdat", "value"):
        return None
    return Plan(
        format="opensensemap",
        times=[header.index("createdat")],
        zone="UTC",
        station=header.find("boxid", "sensorid", "sensor_id"),
        observed_property=header.find("phenomenon"),
        unit=header.find("unit"),
        model_name=header.find("sensortype"),
        columns=[ValueColumn(header.index("value"), None)],
    )


def _luchtmeetnet(header: Header) -> Plan | None:
    """Records of the API, or the files of RIVM with one column per station; hourly, at the end of the hour."""
    if header.has("station_number", "formula", "value", "timestamp_measured"):
        return Plan(
            format="luchtmeetnet",
            times=[header.index("timestamp_measured")],
            zone="UTC",
            station=header.index("station_number"),
            observed_property=header.index("formula"),
            columns=[ValueColumn(header.index("value"), None)],
        )
    if not header.has("component", "begindatumtijd", "einddatumtijd"):
        return None
    stations = [(index, text) for index, text in enumerate(header.texts) if re.fullmatch(r"NL\d{5}", text)]
    return Plan(
        format="luchtmeetnet",
        times=[header.index("einddatumtijd")],
        zone="Etc/GMT-1",
        observed_property=header.index("component"),
        columns=[ValueColumn(index, None, station=text) for index, text in stations],
    )


_KNMI: Columns = {
    "fh": ("wind_speed", _TENTHS),
    "ff": ("wind_speed", _TENTHS),
    "t": ("temperature", _TENTHS),
    "u": ("humidity", same),
    "p": ("pressure", _TENTHS),
}
_NO_DIRECTION = frozenset({0.0, 990.0})  # calm, variable


def _knmi(header: Header) -> Plan | None:
    """Hourly values of KNMI: units of 0.1, hours 1 to 24 in UTC, DD 0 is calm and 990 variable."""
    if not header.has("stn", "yyyymmdd"):
        return None
    hour = header.find("hh", "h")
    if hour is None:
        raise ConfigurationError("daily values of KNMI; a recording needs the hourly ones (uurgegevens)")
    columns = choose_columns(header, _KNMI)
    direction = header.find("dd")
    if direction is not None:
        columns.append(ValueColumn(direction, "wind_direction", no_value=_NO_DIRECTION))
    return Plan(
        format="knmi",
        times=[header.index("yyyymmdd")],
        hour=hour,
        zone="UTC",
        station=header.index("stn"),
        model="knmi",
        columns=columns,
    )


def _table(header: Header) -> Plan | None:
    """A table with a column of times: one column per property, or columns property and value."""
    return build_plan(header, {})


FORMATS: Mapping[str, Callable[[Header], Plan | None]] = MappingProxyType(
    {
        "piekwacht": _export,
        "sensor-community": _sensor_community,
        "purpleair": _purpleair,
        "airgradient": _airgradient,
        "opensensemap": _opensensemap,
        "luchtmeetnet": _luchtmeetnet,
        "knmi": _knmi,
        "table": _table,
    }
)


def recognise(cells: Sequence[str], options: RecordingOptions) -> Plan | None:
    """The plan if these cells are the names of the columns, else None. Raises ConfigurationError."""
    header = Header(cells)
    if len(header.texts) < 2:
        return None
    if options.columns:
        _check_mapping(options.columns)
        if not header.has(*(text.strip().lower() for text in options.columns.values())):
            return None
        return build_plan(header, options.columns)
    formats = [FORMATS[options.format]] if options.format else list(FORMATS.values())
    return next((plan for read in formats if (plan := read(header)) is not None), None)


def _check_mapping(columns: Mapping[str, str]) -> None:
    """Raise ConfigurationError if two properties are mapped to one column."""
    roles_by_column: dict[str, str] = {}
    for role, text in columns.items():
        first = roles_by_column.setdefault(text.strip().lower(), role)
        if first != role:
            raise ConfigurationError(f"the column {text!r} cannot be both {first} and {role}; name one column for each")


def check_options(options: RecordingOptions) -> None:
    """Raise ConfigurationError for a format or a role that does not exist."""
    if options.format is not None and options.format not in FORMATS:
        raise ConfigurationError(f"format {options.format!r}: there are {', '.join(FORMATS)}")
    if options.model is not None and find_model(options.model) is None:
        raise ConfigurationError(f"model: the table of sensor models has no {options.model!r}: {', '.join(MODELS)}")
    for role in options.columns:
        if role not in names.ROLE_NAMES and not re.fullmatch(PROPERTY, role):
            raise ConfigurationError(
                f"columns: {role!r} is neither {', '.join(names.ROLE_NAMES)} nor a property such as pm2_5"
            )
