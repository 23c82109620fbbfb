"""The functions of filters, as SQL over typed operands. Pure.

Positions of stations are points, so a geometry of the store is a point and one of the filter is anything. PostgreSQL's
own geometric types suffice; its comparisons have a tolerance of a millionth of a degree, a tenth of a metre.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from psycopg.sql import SQL, Composable

from gateway.api.sensorthings.errors import BadQueryError, UnsupportedError
from gateway.api.sensorthings.operands import Operand, Parameters, Type, convert, format_shape
from gateway.api.sensorthings.query import GeoLine, GeoPoint, GeoPolygon
from gateway.model.geodesy import EARTH_RADIUS_METRES


@dataclass(frozen=True, kw_only=True)
class _Function:
    """`template`: SQL with {0}, {1}, {2} for the arguments; {0e} and {1e} are the ends of intervals."""

    arguments: tuple[Type, ...]
    result: Type
    template: str


def _of_time(template: str, result: Type = Type.NUMBER) -> _Function:
    return _Function(arguments=(Type.TIME,), result=result, template=template)


def _of_texts(count: int, result: Type, template: str) -> _Function:
    return _Function(arguments=(Type.TEXT,) * count, result=result, template=template)


def _of_periods(template: str) -> _Function:
    return _Function(arguments=(Type.INTERVAL, Type.INTERVAL), result=Type.BOOLEAN, template=template)


def list_function_names() -> list[str]:
    """The names of the functions of `$filter`, in order."""
    return sorted({*_FUNCTIONS, *_SPATIAL})


_UTC = "{0} AT TIME ZONE 'UTC'"
_SUBSTRING = "substr({0}, greatest({1}, 0)::int + 1"
_FUNCTIONS: Mapping[str, Sequence[_Function]] = {
    "substringof": (_of_texts(2, Type.BOOLEAN, "(position({0} IN {1}) > 0)"),),
    "contains": (_of_texts(2, Type.BOOLEAN, "(position({1} IN {0}) > 0)"),),
    "startswith": (_of_texts(2, Type.BOOLEAN, "starts_with({0}, {1})"),),
    "endswith": (_of_texts(2, Type.BOOLEAN, "(right({0}, length({1})) = {1})"),),
    "length": (_of_texts(1, Type.NUMBER, "length({0})::float8"),),
    "indexof": (_of_texts(2, Type.NUMBER, "(position({1} IN {0}) - 1)::float8"),),
    "substring": (
        _Function(arguments=(Type.TEXT, Type.NUMBER), result=Type.TEXT, template=_SUBSTRING + ")"),
        _Function(
            arguments=(Type.TEXT, Type.NUMBER, Type.NUMBER),
            result=Type.TEXT,
            template=_SUBSTRING + ", greatest({2}, 0)::int)",
        ),
    ),
    "tolower": (_of_texts(1, Type.TEXT, "lower({0})"),),
    "toupper": (_of_texts(1, Type.TEXT, "upper({0})"),),
    "trim": (_of_texts(1, Type.TEXT, "btrim({0})"),),
    "concat": (_of_texts(2, Type.TEXT, "({0} || {1})"),),
    "year": (_of_time(f"extract(year FROM {_UTC})::float8"),),
    "month": (_of_time(f"extract(month FROM {_UTC})::float8"),),
    "day": (_of_time(f"extract(day FROM {_UTC})::float8"),),
    "hour": (_of_time(f"extract(hour FROM {_UTC})::float8"),),
    "minute": (_of_time(f"extract(minute FROM {_UTC})::float8"),),
    "second": (_of_time(f"floor(extract(second FROM {_UTC}))::float8"),),
    "fractionalseconds": (_of_time(f"(extract(second FROM {_UTC}) % 1)::float8"),),
    "totaloffsetminutes": (_of_time("CASE WHEN {0} IS NOT NULL THEN 0::float8 END"),),
    "date": (
        _of_time(f"({_UTC})::date", Type.DATE),
        _Function(arguments=(Type.DATE,), result=Type.DATE, template="{0}"),
    ),
    "time": (_of_time(f"({_UTC})::time", Type.DAY_TIME),),
    "now": (_Function(arguments=(), result=Type.TIME, template="now()"),),
    "mindatetime": (_Function(arguments=(), result=Type.TIME, template="'0001-01-01T00:00:00Z'::timestamptz"),),
    "maxdatetime": (_Function(arguments=(), result=Type.TIME, template="'9999-12-31T23:59:59Z'::timestamptz"),),
    "round": (_Function(arguments=(Type.NUMBER,), result=Type.NUMBER, template="(sign({0}) * floor(abs({0}) + 0.5))"),),
    "floor": (_Function(arguments=(Type.NUMBER,), result=Type.NUMBER, template="floor({0})"),),
    "ceiling": (_Function(arguments=(Type.NUMBER,), result=Type.NUMBER, template="ceil({0})"),),
    "before": (_of_periods("({0e} < {1})"),),
    "after": (_of_periods("({0} > {1e})"),),
    "meets": (_of_periods("({0} = {1e} OR {0e} = {1})"),),
    "during": (_of_periods("({0} >= {1} AND {0e} <= {1e})"),),
    "overlaps": (_of_periods("({0} <= {1e} AND {1} <= {0e})"),),
    "starts": (_of_periods("({0} = {1})"),),
    "finishes": (_of_periods("({0e} = {1e})"),),
}
_UNSUPPORTED = frozenset(
    {
        "geo.length",
        "st_touches",
        "st_crosses",
        "st_overlaps",
        "st_relate",
        "any",
        "all",
        "cast",
        "isof",
        "matchesPattern",
    }
)


def call_function(name: str, arguments: Sequence[Operand], parameters: Parameters) -> Operand:
    """The value of a function. Raises BadQueryError for wrong arguments, UnsupportedError for what is not offered."""
    if name in _SPATIAL:
        return _SPATIAL[name](name, arguments, parameters)
    if name in _UNSUPPORTED:
        raise UnsupportedError(f"function {name} is not supported")
    forms = _FUNCTIONS.get(name)
    if forms is None:
        available = ", ".join([*_FUNCTIONS, *_SPATIAL])
        raise BadQueryError(f"no function {name[:40]!r}; there are: {available}")
    fitting = [form for form in forms if len(form.arguments) == len(arguments)]
    if not fitting:
        counts = " or ".join(str(len(form.arguments)) for form in forms)
        raise BadQueryError(f"{name}: takes {counts} arguments, not {len(arguments)}")
    form = _choose_form(fitting, arguments)
    values = [convert(*pair, name, parameters) for pair in zip(arguments, form.arguments, strict=True)]
    parts = {f"{i}e": value.end for i, value in enumerate(values)}
    template = form.template
    for i in range(len(values)):
        template = template.replace(f"{{{i}e}}", f"{{end{i}}}").replace(f"{{{i}}}", f"{{start{i}}}")
    named = {f"start{i}": value.sql for i, value in enumerate(values)}
    named |= {f"end{i}": parts[f"{i}e"] for i in range(len(values))}
    return Operand(type=form.result, sql=SQL(template).format(**named))


def _choose_form(forms: Sequence[_Function], arguments: Sequence[Operand]) -> _Function:
    """The form whose types the arguments have; `date('2020-05-14')` takes a date as text."""
    for form in forms:
        if all(argument.type is expected for argument, expected in zip(arguments, form.arguments, strict=True)):
            return form
    is_text = bool(arguments) and arguments[0].type is Type.TEXT
    return forms[-1] if is_text else forms[0]


def _split_geometries(name: str, arguments: Sequence[Operand]) -> tuple[Operand, Operand, bool]:
    """The position of the store, the geometry of the filter, and whether the first argument is the position."""
    if len(arguments) != 2:
        raise BadQueryError(f"{name}: takes 2 arguments, not {len(arguments)}")
    first, second = arguments
    for argument in arguments:
        if argument.type is not Type.GEOMETRY:
            raise BadQueryError(f"{name}: takes {Type.GEOMETRY}, not {argument.type}")
    if first.is_literal == second.is_literal:
        raise UnsupportedError(f"{name}: takes a property and a constant such as geography'POINT(4.59 52.49)'")
    return (second, first, False) if first.is_literal else (first, second, True)


def _touch(position: Operand, shape: Operand, parameters: Parameters) -> Composable:
    """Whether the position is on the shape; edges belong to it."""
    geometry = shape.literal
    if isinstance(geometry, GeoPoint):
        longitude = parameters.add(geometry.longitude, "float8")
        return SQL("({} = {} AND {} = {})").format(
            position.sql, longitude, position.end, parameters.add(geometry.latitude, "float8")
        )
    point = SQL("point({}, {})").format(position.sql, position.end)
    if isinstance(geometry, GeoLine):
        return SQL("({} <@ {})").format(point, parameters.add(format_shape(geometry)[0], "path"))
    if not isinstance(geometry, GeoPolygon):
        raise BadQueryError("geo.intersects: takes a geometry")
    outer, *holes = [parameters.add(ring, "polygon") for ring in format_shape(geometry)]
    inside = SQL("{} @> {}").format(outer, point)
    outside_holes = [SQL("NOT {} @> {}").format(hole, point) for hole in holes]
    return SQL("({})").format(SQL(" AND ").join([inside, *outside_holes]))


def _intersects(name: str, arguments: Sequence[Operand], parameters: Parameters) -> Operand:
    position, shape, is_first = _split_geometries(name, arguments)
    directed = {"st_within": is_first, "st_contains": not is_first}
    if not directed.get(name, True) and not isinstance(shape.literal, GeoPoint):
        return Operand(type=Type.BOOLEAN, sql=SQL("false"))  # a point holds no line and no area
    if name == "st_equals" and not isinstance(shape.literal, GeoPoint):
        return Operand(type=Type.BOOLEAN, sql=SQL("false"))
    condition = _touch(position, shape, parameters)
    return Operand(type=Type.BOOLEAN, sql=SQL("NOT {}").format(condition) if name == "st_disjoint" else condition)


def _distance(name: str, arguments: Sequence[Operand], parameters: Parameters) -> Operand:
    """Metres along the great circle (haversine)."""
    position, shape, _ = _split_geometries(name, arguments)
    if not isinstance(shape.literal, GeoPoint):
        raise UnsupportedError(f"{name}: measures the distance to a point only")
    values = {
        "lon": position.sql,
        "lat": position.end,
        "to_lon": parameters.add(shape.literal.longitude, "float8"),
        "to_lat": parameters.add(shape.literal.latitude, "float8"),
        "radius": parameters.add(EARTH_RADIUS_METRES, "float8"),
    }
    haversine = (
        "(2 * {radius} * asin(sqrt(least(1, power(sin(radians({to_lat} - {lat}) / 2), 2)"
        " + cos(radians({lat})) * cos(radians({to_lat})) * power(sin(radians({to_lon} - {lon}) / 2), 2)))))"
    )
    return Operand(type=Type.NUMBER, sql=SQL(haversine).format(**values))


_SPATIAL: Mapping[str, Callable[[str, Sequence[Operand], Parameters], Operand]] = {
    "geo.distance": _distance,
    "st_distance": _distance,
    **dict.fromkeys(
        ("geo.intersects", "st_intersects", "st_within", "st_contains", "st_equals", "st_disjoint"), _intersects
    ),
}
