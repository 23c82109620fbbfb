"""Typed SQL values of a filter, and what they can be converted to. Pure. Raises BadQueryError for a wrong type.

Everything that comes from the request is a parameter of the query, never a part of its text.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum, auto

from psycopg.sql import SQL, Composable, Placeholder

from gateway.api.sensorthings.errors import BadQueryError
from gateway.api.sensorthings.literals import parse_date, parse_time
from gateway.api.sensorthings.query import GeoLine, Geometry, GeoPoint, GeoPolygon, Interval, Value
from gateway.api.sensorthings.scope import RelationScope


class Type(StrEnum):
    """Types of values; the text is what an error calls it."""

    ID = "an id"
    TEXT = "a text"
    NUMBER = "a number"
    BOOLEAN = "true or false"
    TIME = "a time"
    DATE = "a date"
    DAY_TIME = "a time of day"
    DURATION = "a duration"
    INTERVAL = "a period"
    JSON = auto()
    GEOMETRY = "a geometry"
    NULL = "null"


@dataclass(frozen=True, kw_only=True)
class Operand:
    """A value. An interval has two parts (start, end), a geometry of the store too (longitude, latitude).

    literal  the constant that it is, if it is one
    reading  the scope of an observation whose id it is
    """

    type: Type
    sql: Composable
    second: Composable | None = None
    literal: Value = None
    is_literal: bool = False
    reading: RelationScope | None = None

    @property
    def end(self) -> Composable:
        """The end of an interval; of an instant it is the instant."""
        return self.sql if self.second is None else self.second


class Parameters:
    """The parameters of one query, by name."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {}

    def add(self, value: object, cast: str) -> Composable:
        """A placeholder for the value, of this type of PostgreSQL."""
        name = f"p{len(self.values)}"
        self.values[name] = value
        return SQL("{}::" + cast).format(Placeholder(name))


_CASTS: Sequence[tuple[type, Type, str]] = (
    (bool, Type.BOOLEAN, "boolean"),
    (int, Type.NUMBER, "float8"),
    (float, Type.NUMBER, "float8"),
    (str, Type.TEXT, "text"),
    (datetime, Type.TIME, "timestamptz"),
    (date, Type.DATE, "date"),
    (time, Type.DAY_TIME, "time"),
    (timedelta, Type.DURATION, "interval"),
)

_NULLS = {
    Type.ID: "bigint", Type.TEXT: "text", Type.NUMBER: "float8", Type.BOOLEAN: "boolean", Type.TIME: "timestamptz",
    Type.DATE: "date", Type.DAY_TIME: "time", Type.DURATION: "interval", Type.INTERVAL: "timestamptz",
    Type.JSON: "jsonb", Type.GEOMETRY: "float8",
}  # fmt: skip


def build_literal(value: Value, parameters: Parameters) -> Operand:
    """The operand of a constant."""
    if value is None:
        return Operand(type=Type.NULL, sql=SQL("NULL"), is_literal=True)
    if isinstance(value, Interval):
        start, end = parameters.add(value.start, "timestamptz"), parameters.add(value.end, "timestamptz")
        return Operand(type=Type.INTERVAL, sql=start, second=end, literal=value, is_literal=True)
    if isinstance(value, Geometry):
        return Operand(type=Type.GEOMETRY, sql=SQL("NULL"), literal=value, is_literal=True)
    for kind, type_, cast in _CASTS:
        if isinstance(value, kind):
            return Operand(type=type_, sql=parameters.add(value, cast), literal=value, is_literal=True)
    raise AssertionError(value)


def convert(  # noqa: PLR0911 - one line per kind
    operand: Operand, target: Type, name: str, parameters: Parameters
) -> Operand:
    """The operand as this type. `name`: of the function or operator, for the error."""
    if operand.type is target:
        return operand
    if operand.type is Type.NULL:
        return replace(operand, type=target, sql=SQL("NULL::" + _NULLS[target]))
    if operand.type is Type.JSON:
        return _convert_json(operand, target, name)
    if target is Type.NUMBER and operand.type is Type.ID:
        return replace(operand, type=target, sql=SQL("({})::float8").format(operand.sql))
    if operand.is_literal and isinstance(operand.literal, str):
        if target in {Type.TIME, Type.INTERVAL}:
            return build_literal(parse_time(operand.literal), parameters)
        if target is Type.DATE:
            return build_literal(parse_date(operand.literal), parameters)
    if target is Type.INTERVAL and operand.type is Type.TIME:
        return operand
    if target in {Type.TIME, Type.INTERVAL} and operand.type is Type.DATE:
        return replace(operand, type=Type.TIME, sql=SQL("(({})::timestamp AT TIME ZONE 'UTC')").format(operand.sql))
    raise BadQueryError(f"{name}: takes {target}, not {operand.type}")


def _convert_json(operand: Operand, target: Type, name: str) -> Operand:
    """A part of a JSON property; null if it holds another type."""
    casts = {Type.TEXT: None, Type.NUMBER: "float8", Type.BOOLEAN: "boolean"}
    if target not in casts:
        raise BadQueryError(f"{name}: takes {target}, not a part of a JSON property")
    text = SQL("({} #>> '{{}}')").format(operand.sql)
    if target is Type.TEXT:
        return replace(operand, type=target, sql=text)
    kind = {"float8": "number", "boolean": "boolean"}[str(casts[target])]
    cast = SQL("CASE WHEN jsonb_typeof({0}) = {1} THEN {2}::" + str(casts[target]) + " END")
    return replace(operand, type=target, sql=cast.format(operand.sql, SQL(f"'{kind}'"), text))


def format_shape(geometry: GeoLine | GeoPolygon) -> list[str]:
    """The rings of a polygon, or a line, as PostgreSQL reads its own geometric types."""
    rings = geometry.rings if isinstance(geometry, GeoPolygon) else (geometry.points,)
    texts = [",".join(f"({x!r},{y!r})" for x, y in ring) for ring in rings]
    return [f"({text})" for text in texts] if isinstance(geometry, GeoPolygon) else [f"[{text}]" for text in texts]


def is_point(geometry: Value) -> bool:
    """Whether it is a point."""
    return isinstance(geometry, GeoPoint)
