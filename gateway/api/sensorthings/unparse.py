"""Writes a query as text: for links to the next page of expanded sets. Pure; the parsers read it back as it was."""

from datetime import date, datetime, time, timedelta

from gateway.api.sensorthings.literals import format_duration, format_geometry, format_time
from gateway.api.sensorthings.option_parser import format_position
from gateway.api.sensorthings.query import (
    Arithmetic,
    ComparisonNode,
    Expression,
    FunctionCall,
    GeoLine,
    GeoPoint,
    GeoPolygon,
    Interval,
    ListMembership,
    Literal,
    Logical,
    Not,
    Path,
    QueryOptions,
    ResultFormat,
    Value,
)

_RANKS = {"or": 1, "and": 2, "add": 5, "sub": 5, "mul": 6, "div": 6, "mod": 6}
_NOT_RANK, _COMPARISON_RANK, _PRIMARY_RANK = 3, 4, 9


def list_options(options: QueryOptions) -> list[tuple[str, str]]:
    """The options that are given, as pairs of name and text."""
    pairs = []
    if options.filter is not None:
        pairs.append(("$filter", format_expression(options.filter)))
    if options.expand:
        pairs.append(("$expand", ",".join(_format_expand(e.navigation, e.options) for e in options.expand)))
    if options.select:
        pairs.append(("$select", ",".join(options.select)))
    if options.order:
        terms = (format_expression(t.expression) + (" desc" if t.is_descending else "") for t in options.order)
        pairs.append(("$orderby", ",".join(terms)))
    if options.top is not None:
        pairs.append(("$top", str(options.top)))
    if options.skip:
        pairs.append(("$skip", str(options.skip)))
    if options.after is not None:
        pairs.append(("$skiptoken", format_position(options.after)))
    if options.count:
        pairs.append(("$count", "true"))
    if options.result_format is not ResultFormat.DEFAULT:
        pairs.append(("$resultFormat", options.result_format.value))
    return pairs


def _format_expand(navigation: str, options: QueryOptions) -> str:
    pairs = ";".join(f"{name}={text}" for name, text in list_options(options))
    return f"{navigation}({pairs})" if pairs else navigation


def format_expression(expression: Expression) -> str:
    """The expression with as few parentheses as it needs."""
    if isinstance(expression, Literal):
        return format_value(expression.value)
    if isinstance(expression, Path):
        return "/".join(expression.names)
    if isinstance(expression, FunctionCall):
        return f"{expression.name}({','.join(map(format_expression, expression.arguments))})"
    if isinstance(expression, Not):
        return f"not {_wrap(expression.operand, _NOT_RANK)}"
    if isinstance(expression, ListMembership):
        items = ",".join(format_value(item.value) for item in expression.items)
        return f"{_wrap(expression.operand, _COMPARISON_RANK + 1)} in ({items})"
    rank = _rank(expression)
    left = _wrap(expression.left, rank + (rank == _COMPARISON_RANK))
    return f"{left} {expression.operator} {_wrap(expression.right, rank + 1)}"


def _rank(expression: Expression) -> int:
    if isinstance(expression, Logical | Arithmetic):
        return _RANKS[expression.operator]
    if isinstance(expression, Not):
        return _NOT_RANK
    return _COMPARISON_RANK if isinstance(expression, ComparisonNode | ListMembership) else _PRIMARY_RANK


def _wrap(expression: Expression, rank: int) -> str:
    text = format_expression(expression)
    return text if _rank(expression) >= rank else f"({text})"


def format_value(value: Value) -> str:  # noqa: PLR0911 - one line per kind
    """A constant as a filter writes it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return f"'{value.replace(chr(39), chr(39) * 2)}'"
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return f"duration'{format_duration(value)}'"
    if isinstance(value, Interval):
        return f"{format_time(value.start)}/{format_time(value.end)}"
    return _format_geography(value)


def _format_geography(value: GeoPoint | GeoLine | GeoPolygon) -> str:
    return f"geography'{format_geometry(value)}'"
