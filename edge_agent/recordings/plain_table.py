"""Tables of no known maker: columns by what their names suggest, or by a mapping of the operator. Pure."""

from collections.abc import Mapping

from edge_agent.configuration import ConfigurationError
from edge_agent.recordings import names
from edge_agent.recordings.header import Header, convert_columns
from edge_agent.recordings.plan import Plan, ValueColumn


def build_plan(header: Header, mapping: Mapping[str, str]) -> Plan | None:
    """The plan from the names of the columns; what the mapping names goes before what the names suggest."""
    roles = _find_roles(header, mapping)
    times = [roles[role] for role in ("date", "time") if role in roles]
    columns, notes = _find_value_columns(header, mapping, roles)
    if not times:
        return None
    if not columns and notes:
        raise ConfigurationError(f"{notes[0]}; convert the numbers to the unit of the property")
    if not columns:
        return None
    return Plan(
        format="table",
        times=times,
        zone="UTC" if any(names.is_utc(header.texts[index]) for index in times) else None,
        station=roles.get("station"),
        observed_property=roles.get("property"),
        flags=roles.get("flags"),
        unit=roles.get("unit"),
        columns=columns,
        notes=notes,
    )


def _find_roles(header: Header, mapping: Mapping[str, str]) -> dict[str, int]:
    roles: dict[str, int] = {}
    simple = [names.simplify(text) for text in header.texts]
    for role, aliases in names.ROLE_NAMES.items():
        if role in mapping:
            roles[role] = header.index(mapping[role].strip().lower())
            continue
        matches = [simple.index(alias) for alias in aliases if alias in simple]
        if matches:
            header.find(header.texts[matches[0]].lower())  # a name that stands there twice is an error
            roles[role] = matches[0]
    if "date" in roles and "date" not in mapping and ("time" in mapping or not _has_clock(header, roles)):
        date = roles.pop("date")
        roles.setdefault("time", date)
    return roles


def _has_clock(header: Header, roles: Mapping[str, int]) -> bool:
    return "time" in roles and names.is_clock(header.texts[roles["time"]])


def _find_value_columns(
    header: Header, mapping: Mapping[str, str], roles: Mapping[str, int]
) -> tuple[list[ValueColumn], list[str]]:
    """Return the columns of values, and a note for each whose unit is not read."""
    is_long = "property" in roles
    columns = {
        name: header.index(text.strip().lower()) for name, text in mapping.items() if name not in names.ROLE_NAMES
    }
    if not columns and not ("value" in mapping and not is_long):
        columns = _recognise_columns(header, roles)
    values, notes = convert_columns(header, columns, is_condition=is_long)
    if "value" in roles and (is_long or "value" in mapping or not values):
        index = roles["value"]
        named = None if is_long else names.find_property(header.texts[index])
        values.insert(0, ValueColumn(index, named))
    return values, notes


def _recognise_columns(header: Header, roles: Mapping[str, int]) -> dict[str, int]:
    """Property -> index of its column. Raises ConfigurationError if two columns are of one property."""
    columns: dict[str, int] = {}
    for index, text in enumerate(header.texts):
        observed_property = names.find_property(text)
        if observed_property is None or index in roles.values():
            continue
        if observed_property in columns:
            first = header.texts[columns[observed_property]]
            raise ConfigurationError(
                f"the columns {first!r} and {text!r} are both {observed_property}; rename one of them, or name the "
                f"right one with --columns {observed_property}=COLUMN"
            )
        columns[observed_property] = index
    return columns
