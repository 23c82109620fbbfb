"""docs/configuration.md: every key of the configuration files, from the settings types and their docstrings.

    python -m tests.configuration_reference --write        (make configuration)

Types, bounds and defaults are those that msgspec checks. The meaning of a key is its line in the docstring of the type:
`key  meaning`, two spaces or more between them; further lines are indented. `find_faults` lists keys without a meaning.
"""

import argparse
import enum
import inspect
import re
import sys
import textwrap
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct

from edge_agent import settings as agent_settings
from edge_agent.sensors.driver import I2cSettings, PollingSettings, SpiSettings, UartSettings
from gateway import settings as gateway_settings
from gateway.detection.settings import DEFAULT_TABLES, PeakSettings
from gateway.enrolment.site_file import SiteFile
from gateway.witness.settings import WitnessSettings

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"
_INTRODUCTION = """# Configuration

Every key of the configuration files. This page is generated from the settings types:
`make configuration`.

The files are TOML. An unknown key is an error that names the nearest valid one. A relative path begins in the folder of
its file. A key without a default must be given; a key with the default "none" may be absent. `[[name]]` is a table that
may be repeated.

* [piekwacht.toml](#piekwachttoml): the gateway, the API and alerting.
  [Example](../deploy/examples/piekwacht.toml), [alerting in detail](alerting-settings.md).
* [agent.toml](#agenttoml): one node. [Example](../firmware_configs/examples/agent.toml), [the agent](edge.md).
* [The site file](#the-site-file): areas, sites, stations and nodes, for `piekwacht site apply`.
  [Example](../deploy/examples/site.toml).
* [witness.toml](#witnesstoml): a witness of public logs. [Example](../deploy/compose/witness.toml),
  [the guide](operator/witness.md).
"""
_UNITS = {
    "seconds": "s", "minutes": "min", "hours": "h", "days": "days", "ms": "ms", "mb": "MiB", "bytes": "bytes",
    "mv": "mV", "celsius": "°C", "degrees": "°",
}  # fmt: skip
_NAMES: Mapping[object, str] = {
    bool: "true or false", int: "integer", float: "number", str: "text", Path: "path", datetime: "time with zone",
    date: "date", object: "any", Any: "any",
}  # fmt: skip
_KEY_LINE = re.compile(r"^(\w+) {2,}(\S.*)$")
_HEADING = re.compile(r"^`(\[+[\w.<>]+\]+|driver = \"\w+\")`(?: and `[^`]*`| of [\w.]+)?[:.] ?")


@dataclass(frozen=True)
class Key:
    """One row of a table."""

    name: str
    type: str
    default: str
    meaning: str | None


@dataclass(frozen=True)
class Section:
    """One table of a configuration file."""

    title: str
    struct: type[Struct]
    description: str
    keys: tuple[Key, ...]


def read_docstring(struct: type[Struct]) -> tuple[str, dict[str, str]]:
    """(prose without the name of the table, meanings by key) of one type, without those that it inherits."""
    prose: list[str] = []
    meanings: dict[str, str] = {}
    key = None
    for line in inspect.cleandoc(struct.__doc__ or "").splitlines():
        if match := _KEY_LINE.match(line):
            key, meanings[match[1]] = match[1], match[2]
        elif key and line.startswith(" "):
            meanings[key] += " " + line.strip()
        else:
            key = None
            prose.append(line)
    text = _HEADING.sub("", " ".join(" ".join(prose).split()))
    return text[:1].upper() + text[1:], meanings


def _inherited_meanings(struct: type[Struct]) -> dict[str, str]:
    types_ = [base for base in reversed(struct.__mro__) if issubclass(base, Struct) and base is not Struct]
    return {key: meaning for base in types_ for key, meaning in read_docstring(base)[1].items()}


def _structs(hint: object) -> list[type[Struct]]:
    if isinstance(hint, type) and issubclass(hint, Struct):
        return [hint]
    return [struct for argument in get_args(hint) for struct in _structs(argument)]


def _is_list(hint: object) -> bool:
    return get_origin(hint) in {list, tuple} or any(_is_list(argument) for argument in get_args(hint))


def describe_type(hint: Any) -> str:
    """The text of an annotation, with its bounds; `| None` is left to the default."""
    if get_origin(hint) is Annotated:
        inner, *metas = get_args(hint)
        bounds = [bound for meta in metas if isinstance(meta, Meta) for bound in _describe_bounds(meta)]
        return ", ".join([describe_type(inner), *bounds])
    if get_origin(hint) in {Union, types.UnionType}:
        return " or ".join(describe_type(part) for part in get_args(hint) if part is not type(None))
    if get_origin(hint) is Literal or (isinstance(hint, type) and issubclass(hint, enum.Enum)):
        values = get_args(hint) or [member.value for member in hint]
        return " or ".join(f'"{value}"' for value in values)
    if get_origin(hint) in {list, tuple}:
        parts = [part for part in get_args(hint) if part is not Ellipsis]
        return f"list of {describe_type(parts[0])}" if len(set(parts)) == 1 else f"list of {len(parts)}"
    if get_origin(hint) is dict:
        return f"table of {describe_type(get_args(hint)[1])}"
    return _NAMES[hint]


def _describe_bounds(meta: Meta) -> Iterator[str]:
    for attribute, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<")):
        bound = getattr(meta, attribute)
        if bound is not None:
            yield f"{sign} {bound}"
    if meta.min_length:
        yield "not empty"
    if meta.pattern:
        yield f"pattern `{meta.pattern}`".replace("|", "\\|")


def _describe_default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if value is None:
        return "none"
    if isinstance(value, list | tuple | dict) and not value:
        return "empty"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"0x{value:02X}" if field.name == "address" else str(value).removesuffix(".0")
    return f"`{msgspec.json.encode(value).decode()}`".replace(",", ", ")


def _unit(name: str) -> str:
    suffix = name.rpartition("_")[2]
    return f" ({_UNITS[suffix]})" if suffix in _UNITS else ""


def _keys(struct: type[Struct], names: Iterator[str] | None = None) -> Iterator[Key]:
    """The keys of a type that are values, not tables: all of them, or these."""
    meanings, hints = _inherited_meanings(struct), get_type_hints(struct, include_extras=True)
    selected = None if names is None else set(names)
    for field in msgspec.structs.fields(struct):
        if not _structs(hints[field.name]) and (selected is None or field.encode_name in selected):
            name = field.encode_name
            type_ = describe_type(hints[field.name]) + _unit(name)
            yield Key(name, type_, _describe_default(field), meanings.get(name))


def _sections(
    struct: type[Struct], path: str = "", *, repeated: bool = False, optional: bool = False
) -> Iterator[Section]:
    """The table of a type, then those of its fields that are tables."""
    title = f"[[{path}]]" if repeated else f"[{path}]"
    keys = tuple(_keys(struct))
    if path and (keys or not _table_fields(struct)):
        description = read_docstring(struct)[0] + (" Optional: off without this table." if optional else "")
        yield Section(title, struct, description, keys)
    for name, hint in _table_fields(struct):
        inner_path = f"{path}.{name}".lstrip(".")
        if name == "sensor":
            yield from _sensor_sections(_structs(hint))
        elif get_origin(get_args(hint)[0] if get_origin(hint) is Annotated else hint) is dict:
            yield from _sections(_structs(hint)[0], f"{inner_path}.<name>")
        elif name != "detection" or not path:  # [shadow.detection] is [detection] again
            yield from _sections(
                _structs(hint)[0], inner_path, repeated=_is_list(hint), optional=type(None) in get_args(hint)
            )


def _table_fields(struct: type[Struct]) -> list[tuple[str, Any]]:
    hints = get_type_hints(struct, include_extras=True)
    fields = msgspec.structs.fields(struct)
    return [(field.encode_name, hints[field.name]) for field in fields if _structs(hints[field.name])]


def _sensor_sections(drivers: list[type[Struct]]) -> Iterator[Section]:
    """Keys that several drivers share, then what each driver adds or has another default for."""
    for title, struct in (
        ("[[sensor]]: polled sensors", PollingSettings),
        ("[[sensor]]: on an I2C bus", I2cSettings),
        ("[[sensor]]: on a serial port", UartSettings),
        ("[[sensor]]: on an SPI bus", SpiSettings),
    ):
        yield Section(title, struct, read_docstring(struct)[0], tuple(_keys(struct, iter(struct.__annotations__))))
    for driver in sorted(drivers, key=lambda driver: str(driver.__struct_config__.tag)):
        description = " ".join([read_docstring(driver)[0], _describe_base(driver)]).strip()
        keys = tuple(_keys(driver, iter(driver.__annotations__)))
        yield Section(f'[[sensor]]: driver = "{driver.__struct_config__.tag}"', driver, description, keys)
        for name, hint in _table_fields(driver):
            yield from _sections(_structs(hint)[0], f"sensor.{name}", repeated=True)


def _describe_base(driver: type[Struct]) -> str:
    bases = {I2cSettings: "I2C bus", UartSettings: "serial port", SpiSettings: "SPI bus"}
    place = next((place for base, place in bases.items() if issubclass(driver, base)), None)
    return f"It also has the keys of a polled sensor and of the {place}." if place else ""


def list_tables() -> Mapping[str, list[Section]]:
    """The tables of each configuration file."""
    return {
        "piekwacht.toml": list(_sections(gateway_settings.Settings)),
        "agent.toml": list(_sections(agent_settings.Settings)),
        "The site file": list(_sections(SiteFile)),
        "witness.toml": [_flat_section(WitnessSettings)],
    }


def _flat_section(struct: type[Struct]) -> Section:
    """The only table of a file without table names."""
    return Section("Keys of the file", struct, read_docstring(struct)[0], tuple(_keys(struct)))


def find_faults() -> list[str]:
    """Keys without a meaning, and meanings of keys that do not exist."""
    faults = []
    for sections in list_tables().values():
        for section in sections:
            name = section.struct.__qualname__
            faults += [f"{name}: {key.name} has no meaning" for key in section.keys if not key.meaning]
            fields = {field.encode_name for field in msgspec.structs.fields(section.struct)}
            faults += [f"{name}: {key} does not exist" for key in read_docstring(section.struct)[1].keys() - fields]
    return faults


def _render_property_defaults() -> str:
    """A table of the detection defaults that differ from the listed ones, per property."""
    general = msgspec.to_builtins(PeakSettings())
    lines = ["", "Defaults of a property that differ:", "", "| property | keys |", "|---|---|"]
    for name, table in DEFAULT_TABLES.items():
        different = [
            f"a table `{key}`" if isinstance(value, dict) else f"`{key} = {value:g}`"
            for key, value in table.items()
            if value != general[key]
        ]
        if different:
            lines.append(f"| `{name}` | {', '.join(different)} |")
    return "\n".join(lines) + "\n"


def render() -> str:
    """The whole page."""
    parts = [_INTRODUCTION]
    for file, sections in list_tables().items():
        parts.append(f"\n## {file}\n")
        for section in sections:
            parts.append(f"\n### {section.title}\n\n{textwrap.fill(section.description, width=120)}\n")
            if section.keys:
                parts.append("\n| key | type (unit) | default | meaning |\n|---|---|---|---|\n")
            parts += [f"| `{key.name}` | {key.type} | {key.default} | {key.meaning} |\n" for key in section.keys]
            if section.title == "[detection.property.<name>]":
                parts.append(_render_property_defaults())
    return "".join(parts)


def main() -> int:
    """Print the page, or write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write docs/configuration.md")
    if parser.parse_args().write:
        PAGE.write_text(render())
    else:
        sys.stdout.write(render())
    return 0


if __name__ == "__main__":
    sys.exit(main())
