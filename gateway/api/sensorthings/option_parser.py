"""Parser of query options: those of the address, and those in the parentheses of `$expand`. Pure.

`$expand=Datastreams/Observations` is the same as `$expand=Datastreams($expand=Observations)`. Raises BadQueryError, and
UnsupportedError for options of OData that this service does not have.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

from gateway.api.sensorthings.errors import BadQueryError, UnsupportedError
from gateway.api.sensorthings.expression_parser import parse_filter, parse_order
from gateway.api.sensorthings.query import (
    MAX_EXPAND_DEPTH,
    MAX_EXPANDS,
    MAX_SKIP,
    MAX_TOP,
    Expand,
    QueryOptions,
    ReadingPosition,
    ResultFormat,
)
from gateway.model.timestamps import from_ms, to_ms

_SUPPORTED = ("$filter", "$expand", "$select", "$orderby", "$top", "$skip", "$skiptoken", "$count", "$resultFormat")
_OPTIONS_OF_ODATA = frozenset({"$search", "$apply", "$compute", "$format", "$levels", "$deltatoken", "$metadata"})
_MAX_SELECTED = 40
_POSITION = re.compile(r"(\d{1,13})\.(\d{1,9})\.(\d{1,6})", re.ASCII)


def parse_options(pairs: Iterable[tuple[str, str]]) -> QueryOptions:
    """The options of a decoded query string."""
    options = _parse(pairs, 0)
    if sum(1 for _ in _walk(options)) > MAX_EXPANDS:
        raise BadQueryError(f"$expand: at most {MAX_EXPANDS} navigations")
    return options


def _walk(options: QueryOptions) -> Iterator[Expand]:
    for expand in options.expand:
        yield expand
        yield from _walk(expand.options)


def _parse(pairs: Iterable[tuple[str, str]], depth: int) -> QueryOptions:
    texts: dict[str, str] = {}
    for name, text in pairs:
        if name not in _SUPPORTED:
            if name in _OPTIONS_OF_ODATA:
                raise UnsupportedError(f"{name} is not supported; there are: {', '.join(_SUPPORTED)}")
            raise BadQueryError(f"unknown query option {name[:40]!r}; there are: {', '.join(_SUPPORTED)}")
        if name in texts:
            raise BadQueryError(f"{name}: given twice; once is enough")
        if "\0" in text:
            raise BadQueryError(f"{name}: holds a NUL character")
        texts[name] = text
    for name in ("$resultFormat", "$skiptoken"):
        if depth and name in texts:
            raise BadQueryError(f"{name}: belongs to the whole answer, not into $expand")
    if "$skiptoken" in texts and "$skip" in texts:
        raise BadQueryError("$skiptoken: goes without $skip")
    return QueryOptions(
        filter=parse_filter(texts["$filter"]) if "$filter" in texts else None,
        expand=_parse_expand(texts["$expand"], depth) if "$expand" in texts else (),
        select=_parse_select(texts["$select"]) if "$select" in texts else (),
        order=parse_order(texts["$orderby"]) if "$orderby" in texts else (),
        top=min(_parse_number("$top", texts["$top"]), MAX_TOP) if "$top" in texts else None,
        skip=_parse_skip(texts["$skip"]) if "$skip" in texts else 0,
        after=_parse_position(texts["$skiptoken"]) if "$skiptoken" in texts else None,
        count=_parse_count(texts.get("$count", "false")),
        result_format=_parse_result_format(texts.get("$resultFormat")),
    )


def _parse_number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise BadQueryError(f"{name}: {text[:20]!r} is no whole number of 0 or more")
    return int(text[:18]) if len(text) < 18 else 10**18


def _parse_skip(text: str) -> int:
    skip = _parse_number("$skip", text)
    if skip > MAX_SKIP:
        raise BadQueryError(f"$skip: at most {MAX_SKIP}; ask for a shorter period with $filter instead")
    return skip


def format_position(position: ReadingPosition) -> str:
    """The text that `$skiptoken` takes."""
    return f"{to_ms(position.at)}.{position.datastream}.{position.shown}"


def _parse_position(text: str) -> ReadingPosition:
    match = _POSITION.fullmatch(text)
    if match is None:
        raise BadQueryError("$skiptoken: not one of a link of this service; start again without it")
    ms, datastream, shown = (int(part) for part in match.groups())
    return ReadingPosition(from_ms(ms), datastream, shown)


def _parse_count(text: str) -> bool:
    if text not in {"true", "false"}:
        raise BadQueryError(f"$count: {text[:20]!r} is neither true nor false")
    return text == "true"


def _parse_result_format(text: str | None) -> ResultFormat:
    if text is None or text == ResultFormat.DEFAULT:
        return ResultFormat.DEFAULT
    if text == ResultFormat.DATA_ARRAY:
        return ResultFormat.DATA_ARRAY
    raise UnsupportedError(f"$resultFormat {text[:20]!r} is not supported; there is dataArray")


def _parse_select(text: str) -> tuple[str, ...]:
    names = [name.strip() for name in text.split(",")]
    if not all(names) or len(names) > _MAX_SELECTED:
        raise BadQueryError(f"$select: takes 1 to {_MAX_SELECTED} names with commas between them")
    return tuple(dict.fromkeys(names))


def _parse_expand(text: str, depth: int) -> tuple[Expand, ...]:
    if depth >= MAX_EXPAND_DEPTH:
        raise BadQueryError(f"$expand: more than {MAX_EXPAND_DEPTH} levels deep")
    expands: dict[str, Expand] = {}
    for item in _split(text, ","):
        expand = _parse_item(item.strip(), depth)
        earlier = expands.get(expand.navigation)
        expands[expand.navigation] = expand if earlier is None else _merge(earlier, expand)
    return tuple(expands.values())


def _parse_item(item: str, depth: int) -> Expand:
    path, parenthesis, rest = item.partition("(")
    names = [name.strip() for name in path.split("/")]
    if not all(names):
        raise BadQueryError(f"$expand: {item[:40]!r} names no navigation")
    if depth + len(names) > MAX_EXPAND_DEPTH:
        raise BadQueryError(f"$expand: more than {MAX_EXPAND_DEPTH} levels deep")
    if parenthesis and not rest.endswith(")"):
        raise BadQueryError(f"$expand: ')' is missing after {item[:40]!r}")
    options = QueryOptions()
    if parenthesis:
        parts = [part.strip() for part in _split(rest[:-1], ";")]
        pairs = [(part.partition("=")[0].strip(), part.partition("=")[2]) for part in parts if part]
        options = _parse(pairs, depth + len(names))
    for name in reversed(names[1:]):
        options = QueryOptions(expand=(Expand(name, options),))
    return Expand(names[0], options)


def _merge(first: Expand, second: Expand) -> Expand:
    """`A/B,A/C` expands both B and C below A; other options may stand at one of them only."""
    non_default = [expand.options for expand in (first, second) if replace(expand.options, expand=()) != QueryOptions()]
    if len(non_default) > 1:
        raise BadQueryError(f"$expand: {first.navigation[:40]!r} has options twice")
    expands: dict[str, Expand] = {}
    for expand in (*first.options.expand, *second.options.expand):
        earlier = expands.get(expand.navigation)
        expands[expand.navigation] = expand if earlier is None else _merge(earlier, expand)
    return Expand(
        first.navigation, replace(non_default[0] if non_default else QueryOptions(), expand=tuple(expands.values()))
    )


def _split(text: str, separator: str) -> Sequence[str]:
    """The parts outside of parentheses and quotes. Raises BadQueryError if one of these is not closed."""
    parts, start, depth, is_quoted = [], 0, 0, False
    for i, character in enumerate(text):
        if character == "'":
            is_quoted = not is_quoted
        elif not is_quoted:
            depth += (character == "(") - (character == ")")
            if depth < 0:
                raise BadQueryError("$expand: a ')' has no '('")
            if character == separator and depth == 0:
                parts.append(text[start:i])
                start = i + 1
    if depth or is_quoted:
        raise BadQueryError(f"$expand: {'a quote' if is_quoted else 'a parenthesis'} is not closed")
    return [*parts, text[start:]]
