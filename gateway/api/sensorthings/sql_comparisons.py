"""Comparisons of typed SQL values. Pure. Raises BadQueryError if the types do not fit.

An observation has no id in the database: it is the number of its datastream, followed by the thirteen digits of its
time in milliseconds. A comparison with such an id becomes one of datastream and time, which the index can answer.
"""

from datetime import datetime

from psycopg.sql import SQL, Composable

from gateway.api.sensorthings.errors import BadQueryError
from gateway.api.sensorthings.operands import Operand, Parameters, Type, convert
from gateway.api.sensorthings.scope import RelationScope
from gateway.model.timestamps import from_ms, to_ms

_TIME_STEPS = 10**13  # milliseconds in an id: until the year 2286
_SQL_OPERATORS = {"eq": "=", "ne": "IS DISTINCT FROM", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_SWAPPED = {"lt": "gt", "gt": "lt", "le": "ge", "ge": "le"}
_PERIODS = {"lt": "({le} < {rs})", "le": "({le} <= {rs})", "gt": "({ls} > {re})", "ge": "({ls} >= {re})"}
_TEMPORAL = frozenset({Type.TIME, Type.INTERVAL})
_EQUALITY_ONLY = frozenset({Type.BOOLEAN, Type.GEOMETRY})


def encode_observation_id(datastream: int, at: datetime) -> int:
    """The id of the observation of a datastream at a time."""
    return datastream * _TIME_STEPS + to_ms(at)


def decode_observation_id(id_: int) -> tuple[int, datetime]:
    """The datastream and the time of an id."""
    datastream, ms = divmod(id_, _TIME_STEPS)
    return datastream, from_ms(ms)


def build_id(scope: RelationScope) -> Operand:
    """The id of an entity."""
    if scope.outer is None:
        return Operand(type=Type.ID, sql=scope.column("id"))
    number = SQL("({} * {} + (extract(epoch FROM {}) * 1000)::bigint)").format(
        SQL("{}::bigint").format(scope.column("datastream_id")),
        SQL(str(_TIME_STEPS)),
        scope.column("observed_at"),
    )
    return Operand(type=Type.ID, sql=number, reading=scope)


def build_comparison(operator: str, left: Operand, right: Operand, parameters: Parameters) -> Composable:
    """`left operator right` as a condition."""
    if Type.NULL in {left.type, right.type}:
        return _compare_with_null(operator, left, right)
    if left.is_literal and not right.is_literal:
        left, right, operator = right, left, _SWAPPED.get(operator, operator)
    if left.type is Type.ID and isinstance(right.literal, int) and not isinstance(right.literal, bool):
        return _compare_id(operator, left, right.literal, parameters)
    left, right = _align(operator, left, right, parameters)
    if Type.INTERVAL in {left.type, right.type}:
        return _compare_periods(operator, left, right)
    if left.type in _EQUALITY_ONLY and operator not in {"eq", "ne"}:
        raise BadQueryError(f"{operator}: {left.type} has no order")
    collation = SQL(' COLLATE "C"') if left.type is Type.TEXT else SQL("")
    return SQL("({}{} {} {})").format(left.sql, collation, SQL(_SQL_OPERATORS[operator]), right.sql)


def _compare_with_null(operator: str, left: Operand, right: Operand) -> Composable:
    value = right if left.type is Type.NULL else left
    if operator not in {"eq", "ne"}:
        return SQL("false")  # OData: null is neither less nor greater
    return SQL("({} IS {}NULL)").format(value.sql, SQL("" if operator == "eq" else "NOT "))


def _align(operator: str, left: Operand, right: Operand, parameters: Parameters) -> tuple[Operand, Operand]:
    """Both as one type."""
    types = {left.type, right.type}
    if types & _TEMPORAL:
        return tuple(  # type: ignore[return-value]
            convert(value, Type.INTERVAL, operator, parameters) for value in (left, right)
        )
    for target in (Type.NUMBER, Type.BOOLEAN, Type.DATE, Type.DAY_TIME, Type.DURATION):
        if target in types:
            return convert(left, target, operator, parameters), convert(right, target, operator, parameters)
    if types == {Type.ID}:
        return left, right
    if Type.ID in types or Type.GEOMETRY in types:
        raise BadQueryError(f"{operator}: cannot compare {left.type} with {right.type}")
    return convert(left, Type.TEXT, operator, parameters), convert(right, Type.TEXT, operator, parameters)


def _compare_periods(operator: str, left: Operand, right: Operand) -> Composable:
    if operator in {"eq", "ne"}:
        same = SQL("({} IS NOT DISTINCT FROM {} AND {} IS NOT DISTINCT FROM {})").format(
            left.sql, right.sql, left.end, right.end
        )
        return same if operator == "eq" else SQL("NOT {}").format(same)
    parts = {"ls": left.sql, "le": left.end, "rs": right.sql, "re": right.end}
    return SQL(_PERIODS[operator]).format(**parts)


def _compare_id(operator: str, left: Operand, number: int, parameters: Parameters) -> Composable:
    if left.reading is None:
        return SQL("({} {} {})").format(left.sql, SQL(_SQL_OPERATORS[operator]), parameters.add(number, "bigint"))
    column = left.reading.column
    if not 0 <= number // _TIME_STEPS < 2**31:
        is_met = operator == "ne" or (operator in ({"gt", "ge"} if number < 0 else {"lt", "le"}))
        return SQL("true" if is_met else "false")
    datastream, at = decode_observation_id(number)
    id_, time = parameters.add(datastream, "int"), parameters.add(at, "timestamptz")
    if operator in {"eq", "ne"}:
        # a reading has its time to the millisecond
        same = SQL("({0} = {1} AND {2} >= {3} AND {2} < {3} + interval '1 millisecond')").format(
            column("datastream_id"), id_, column("observed_at"), time
        )
        return same if operator == "eq" else SQL("NOT {}").format(same)
    return SQL("(({}, {}) {} ({}, {}))").format(
        column("datastream_id"), column("observed_at"), SQL(_SQL_OPERATORS[operator]), id_, time
    )
