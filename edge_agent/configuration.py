"""Read a TOML file strictly into a Struct, or raise ConfigurationError with one sentence that names the mistake.

The agent and the gateway read their settings with it. An unknown key is an error that names the file, the path and the
nearest valid key, so that a typing error can never silently become a default. A Struct with renamed keys has the class
attribute `FORMER_KEYS` (former name -> present name): the error for a former key names the present one.
"""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Struct

T = TypeVar("T", bound=Struct)

DEFAULTS = "defaults"  # key of msgspec.Meta(extra=...): a table with the values of keys that the file's table lacks
_PATH_SUFFIX = re.compile(r"(?: - at `(?P<path>\$[^`]*)`)$")


class ConfigurationError(ValueError):
    """The configuration cannot be used: one sentence with file, path and remedy. Exit code 2."""


def load_toml(path: Path, struct_type: type[T]) -> T:
    """Read `path` into `struct_type` (which should be a frozen Struct), or raise ConfigurationError."""
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        msg = f"{path}: cannot be read ({error.strerror})"
        raise ConfigurationError(msg) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path}: not TOML: {error}; complete it there, or put back the file as it was"
        raise ConfigurationError(msg) from None
    return convert_table(table, struct_type, source=str(path), folder=path.resolve().parent)


def convert_table(table: dict[str, Any], struct_type: type[T], *, source: str, folder: Path | None = None) -> T:
    """Parsed TOML -> `struct_type`; `source` names the origin in errors, relative paths begin in `folder`."""
    problem = _find_unknown_key(table, struct_type, "")
    if problem is not None:
        raise ConfigurationError(f"{source}: {problem}")
    try:
        return msgspec.convert(
            _fill_defaults(table, struct_type), struct_type, dec_hook=partial(_convert_path, folder or Path())
        )
    except (msgspec.ValidationError, ValueError) as error:
        raise ConfigurationError(f"{source}: {_format_error(str(error))}") from None


def _fill_defaults(table: dict[str, Any], struct_type: type[Struct]) -> dict[str, Any]:
    """Fill in missing keys from the tables that fields of the Struct have under `DEFAULTS`."""
    completed, hints = dict(table), get_type_hints(struct_type, include_extras=True)
    for field in msgspec.structs.fields(struct_type):
        inner, hint = completed.get(field.encode_name), hints[field.name]
        if not isinstance(inner, dict):
            continue
        struct = None if _is_mapping(hint) else _choose_struct(_find_structs(hint), inner)
        inner = inner if struct is None else _fill_defaults(inner, struct)
        completed[field.encode_name] = _merge_tables(_default_table(hint), inner)
    return completed


def _default_table(hint: object) -> dict[str, Any]:
    metas = (meta.extra for meta in getattr(hint, "__metadata__", ()) if isinstance(meta, msgspec.Meta))
    return next((extra[DEFAULTS] for extra in metas if extra and DEFAULTS in extra), {})


def _merge_tables(defaults: dict[str, Any], table: dict[str, Any]) -> dict[str, Any]:
    """Per key, to any depth: the value of `table`, or else the default."""
    merged = {**defaults, **table}
    for key in defaults.keys() & table.keys():
        if isinstance(defaults[key], dict) and isinstance(table[key], dict):
            merged[key] = _merge_tables(defaults[key], table[key])
    return merged


def _convert_path(folder: Path, kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str) and value:
        return folder / Path(value).expanduser()
    if kind is object:
        return value
    msg = f"Expected `{'path' if kind is Path else kind.__name__}`, got `{type(value).__name__}`"
    raise ValueError(msg)


def _format_error(message: str) -> str:
    """`... - at `$.a.b[0]`` -> `a.b[0]: ...`."""
    match = _PATH_SUFFIX.search(message)
    if match is None:
        return message
    return f"{match['path'].removeprefix('$').lstrip('.') or 'the file'}: {message[: match.start()]}"


def _find_structs(annotation: object) -> list[type[Struct]]:
    """Every Struct type inside an annotation (X | None, list[X], dict[str, X], Annotated ...)."""
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        return [annotation]
    return [struct for argument in get_args(annotation) for struct in _find_structs(argument)]


def _find_unknown_key(value: object, annotation: object, path: str) -> str | None:
    """Describe the first key that no type has, in a sentence, or return None. Tagged unions are followed by tag."""
    if isinstance(value, list):
        return _first_not_none(_find_unknown_key(inner, annotation, f"{path}[{i}]") for i, inner in enumerate(value))
    structs = _find_structs(annotation)
    if not isinstance(value, dict) or not structs:
        return None
    if _is_mapping(annotation):
        kind = structs[0] if len(structs) == 1 else annotation
        return _first_not_none(_find_unknown_key(inner, kind, f"{path}.{key}") for key, inner in value.items())
    struct = _choose_struct(structs, value)
    return None if struct is None else _find_unknown_key_in_table(value, struct, path)


def _find_unknown_key_in_table(table: dict[str, Any], struct: type[Struct], path: str) -> str | None:
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    tag = struct.__struct_config__.tag_field
    hints = get_type_hints(struct, include_extras=True)
    for key, inner in table.items():
        if key == tag:
            continue
        if key not in fields:
            return _describe_unknown_key(key, [*fields, *([tag] if tag else [])], struct, path)
        problem = _find_unknown_key(inner, hints[fields[key].name], _join_path(path, key))
        if problem is not None:
            return problem
    return None


def _describe_unknown_key(key: str, valid_keys: Sequence[str], struct: type[Struct], path: str) -> str:
    former_keys: Mapping[str, str] = getattr(struct, "FORMER_KEYS", {})
    if key in former_keys:
        return f"unknown key `{_join_path(path, key)}`; it is called `{_join_path(path, former_keys[key])}` now"
    close_matches = difflib.get_close_matches(key, valid_keys, n=1, cutoff=0)
    nearest_key = close_matches[0] if close_matches else "none"
    return f"unknown key `{_join_path(path, key)}`; the nearest valid key is `{nearest_key}`"


def _join_path(path: str, key: str) -> str:
    return f"{path}.{key}".lstrip(".")


def _first_not_none(sentences: Iterable[str | None]) -> str | None:
    return next((sentence for sentence in sentences if sentence is not None), None)


def _is_mapping(annotation: object) -> bool:
    if isinstance(annotation, type):
        return False
    return getattr(annotation, "__origin__", None) is dict or any(
        _is_mapping(argument) for argument in get_args(annotation)
    )


def _choose_struct(structs: list[type[Struct]], value: dict[str, Any]) -> type[Struct] | None:
    if len(structs) == 1:
        return structs[0]
    for struct in structs:
        config = struct.__struct_config__
        if config.tag_field is not None and value.get(config.tag_field) == config.tag:
            return struct
    return None  # msgspec's own message names the valid tags
