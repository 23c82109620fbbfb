"""Expressions of a query as SQL conditions and values. Pure.

A path over navigations becomes EXISTS over the joined relations, so that a set fits if one of its entities fits. Below
`not` a condition is never NULL: `not (x gt 5)` holds for an x that is null, as in OData.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import count

from psycopg.sql import SQL, Composable

from gateway.api.sensorthings.errors import BadQueryError, UnsupportedError
from gateway.api.sensorthings.functions import call_function
from gateway.api.sensorthings.model import OBSERVATION, EntityType, Kind, Model, Navigation, Property
from gateway.api.sensorthings.operands import Operand, Parameters, Type, build_literal, convert
from gateway.api.sensorthings.query import (
    Arithmetic,
    ComparisonNode,
    Expression,
    FunctionCall,
    ListMembership,
    Literal,
    Logical,
    Not,
    Path,
)
from gateway.api.sensorthings.relations import RELATIONS
from gateway.api.sensorthings.scope import RelationScope
from gateway.api.sensorthings.sql_comparisons import build_comparison, build_id

_MAX_JOINS = 16
_TYPES = {
    Kind.TEXT: Type.TEXT, Kind.NUMBER: Type.NUMBER, Kind.TIME: Type.TIME, Kind.INTERVAL: Type.INTERVAL,
    Kind.JSON: Type.JSON, Kind.GEOMETRY: Type.GEOMETRY,
}  # fmt: skip
_OPERATORS = {"add": "({} + {})", "sub": "({} - {})", "mul": "({} * {})", "div": "({} / nullif({}, 0))"}
_MODULO = "({0} - nullif({1}, 0) * trunc({0} / nullif({1}, 0)))"

Steps = tuple[str, ...]
Bindings = Mapping[Steps, RelationScope]


def resolve_path(model: Model, entity: EntityType, path: Path) -> tuple[list[Navigation], Property, Sequence[str]]:
    """The navigations of a path, its property, and the names inside of a JSON property. Raises BadQueryError."""
    navigations, names = [], list(path.names)
    while names and names[0] in entity.navigations:
        navigation = entity.navigations[names.pop(0)]
        navigations.append(navigation)
        entity = model.target_of(navigation)
    if not names:
        raise BadQueryError(f"{'/'.join(path.names)}: name a property of {entity.name}")
    entity_property = entity.find_property(names.pop(0))
    if names and entity_property.kind is not Kind.JSON:
        raise BadQueryError(f"{'/'.join(path.names)}: {entity_property.name} has no parts")
    return navigations, entity_property, names


def walk_paths(expression: Expression) -> Iterator[Path]:
    """Every path of an expression."""
    if isinstance(expression, Path):
        yield expression
    elif isinstance(expression, FunctionCall):
        for argument in expression.arguments:
            yield from walk_paths(argument)
    elif isinstance(expression, Not | ListMembership):
        yield from walk_paths(expression.operand)
    elif isinstance(expression, Arithmetic | ComparisonNode | Logical):
        yield from walk_paths(expression.left)
        yield from walk_paths(expression.right)


class SqlCompiler:
    """Of one query. `parameters` collects its values."""

    def __init__(self, model: Model) -> None:
        self.model, self.parameters = model, Parameters()
        self._numbers = count(1)
        self._joins = 0

    def create_scope(self, entity: EntityType) -> RelationScope:
        """A scope with a fresh alias."""
        number = next(self._numbers)
        is_observation = entity.relation == OBSERVATION
        return RelationScope(entity=entity, alias=f"t{number}", outer=f"d{number}" if is_observation else None)

    def build_condition(self, expression: Expression, scope: RelationScope, *, is_total: bool = False) -> Composable:
        """A condition. `is_total`: it is never NULL."""
        if isinstance(expression, Logical):
            parts = [self.build_condition(e, scope, is_total=is_total) for e in (expression.left, expression.right)]
            return SQL("({})").format(SQL(f" {expression.operator.upper()} ").join(parts))
        if isinstance(expression, Not):
            return SQL("NOT {}").format(self.build_condition(expression.operand, scope, is_total=True))
        prefixes = {self._prefix(path, scope.entity) for path in walk_paths(expression)} - {()}
        if prefixes:
            return self._build_exists(expression, scope, prefixes)
        condition = self._build_boolean(expression, {(): scope})
        return SQL("coalesce({}, false)").format(condition) if is_total else condition

    def build_order(self, expression: Expression, scope: RelationScope) -> Operand:
        """A value to order by. Raises BadQueryError if it goes through a set."""
        prefixes = {self._prefix(path, scope.entity) for path in walk_paths(expression)} - {()}
        if not prefixes:
            return self._order_value(self._build_value(expression, {(): scope}))
        for path in walk_paths(expression):
            navigations, _, _ = resolve_path(self.model, scope.entity, path)
            if any(navigation.is_set for navigation in navigations):
                raise BadQueryError(f"$orderby: {'/'.join(path.names)} has many values; order by a single one")
        tables, condition, bindings = self._join(scope, prefixes)
        value = self._order_value(self._build_value(expression, bindings))
        select = SQL("(SELECT {} FROM {} WHERE {} LIMIT 1)").format(value.sql, tables, condition)
        return Operand(type=value.type, sql=select)

    def _order_value(self, value: Operand) -> Operand:
        if value.type is Type.GEOMETRY:
            raise BadQueryError("$orderby: a geometry has no order; order by geo.distance(...)")
        return convert(value, Type.TEXT, "$orderby", self.parameters) if value.type is Type.JSON else value

    def _prefix(self, path: Path, entity: EntityType) -> Steps:
        return tuple(navigation.name for navigation in resolve_path(self.model, entity, path)[0])

    def _build_exists(self, expression: Expression, scope: RelationScope, prefixes: set[Steps]) -> Composable:
        tables, condition, bindings = self._join(scope, prefixes)
        return SQL("EXISTS (SELECT FROM {} WHERE {} AND {})").format(
            tables, condition, self._build_boolean(expression, bindings)
        )

    def _join(self, scope: RelationScope, prefixes: set[Steps]) -> tuple[Composable, Composable, Bindings]:
        """The relations of these paths, their conditions, and the scope of each path."""
        bindings: dict[Steps, RelationScope] = {(): scope}
        tables: list[Composable] = []
        conditions: list[Composable] = []
        for prefix in sorted({steps[:i] for steps in prefixes for i in range(1, len(steps) + 1)}, key=len):
            self._joins += 1
            if self._joins > _MAX_JOINS:
                raise BadQueryError(f"a request follows at most {_MAX_JOINS} navigations in filters and orders")
            parent = bindings[prefix[:-1]]
            navigation = parent.entity.navigations[prefix[-1]]
            target = self.create_scope(self.model.target_of(navigation))
            bindings[prefix] = target
            tables += list_tables(target)
            conditions.append(
                SQL("{} = {}").format(target.column(navigation.target_column), parent.column(navigation.column))
            )
            if target.outer is not None:
                conditions.append(join_readings(target))
        return SQL(", ").join(tables), SQL(" AND ").join(conditions), bindings

    def _build_boolean(self, expression: Expression, bindings: Bindings) -> Composable:
        value = self._build_value(expression, bindings)
        return convert(value, Type.BOOLEAN, "$filter", self.parameters).sql

    def _build_value(self, expression: Expression, bindings: Bindings) -> Operand:  # noqa: PLR0911 - one line per node
        if isinstance(expression, Literal):
            return build_literal(expression.value, self.parameters)
        if isinstance(expression, Path):
            return self._build_path(expression, bindings)
        if isinstance(expression, FunctionCall):
            arguments = [self._build_value(argument, bindings) for argument in expression.arguments]
            return call_function(expression.name, arguments, self.parameters)
        if isinstance(expression, Arithmetic):
            left, right = (self._build_value(part, bindings) for part in (expression.left, expression.right))
            return self._build_arithmetic(expression.operator, left, right)
        if isinstance(expression, ComparisonNode):
            left, right = (self._build_value(part, bindings) for part in (expression.left, expression.right))
            return Operand(type=Type.BOOLEAN, sql=build_comparison(expression.operator, left, right, self.parameters))
        if isinstance(expression, ListMembership):
            operand = self._build_value(expression.operand, bindings)
            items = [build_literal(item.value, self.parameters) for item in expression.items]
            conditions = [build_comparison("eq", operand, item, self.parameters) for item in items]
            return Operand(type=Type.BOOLEAN, sql=SQL("({})").format(SQL(" OR ").join(conditions)))
        if isinstance(expression, Not):
            inner = self._build_boolean(expression.operand, bindings)
            return Operand(type=Type.BOOLEAN, sql=SQL("NOT coalesce({}, false)").format(inner))
        parts = [
            SQL("coalesce({}, false)").format(self._build_boolean(part, bindings))
            for part in (expression.left, expression.right)
        ]
        joined = SQL(f" {expression.operator.upper()} ").join(parts)
        return Operand(type=Type.BOOLEAN, sql=SQL("({})").format(joined))

    def _build_path(self, path: Path, bindings: Bindings) -> Operand:
        navigations, entity_property, parts = resolve_path(self.model, bindings[()].entity, path)
        scope = bindings[tuple(navigation.name for navigation in navigations)]
        if entity_property.kind is Kind.OPAQUE:
            raise UnsupportedError(f"{entity_property.name} cannot be used in a filter or an order")
        if entity_property.kind is Kind.ID:
            return build_id(scope)
        columns = [scope.column(name) for name in entity_property.columns]
        if parts:
            keys = self.parameters.add(list(parts), "text[]")
            return Operand(type=Type.JSON, sql=SQL("nullif({} #> {}, 'null')").format(columns[0], keys))
        return Operand(
            type=_TYPES[entity_property.kind], sql=columns[0], second=columns[1] if len(columns) > 1 else None
        )

    def _build_arithmetic(self, operator: str, left: Operand, right: Operand) -> Operand:
        types = {left.type, right.type}
        if operator in {"add", "sub"} and Type.DURATION in types:
            if left.type in {Type.TIME, Type.DURATION} and right.type is Type.DURATION:
                return Operand(type=left.type, sql=SQL(_OPERATORS[operator]).format(left.sql, right.sql))
            raise BadQueryError(f"{operator}: a duration is added to a time, not to {left.type}")
        if operator == "sub" and types == {Type.TIME}:
            return Operand(type=Type.DURATION, sql=SQL("({} - {})").format(left.sql, right.sql))
        values = [convert(value, Type.NUMBER, operator, self.parameters).sql for value in (left, right)]
        template = _MODULO if operator == "mod" else _OPERATORS[operator]
        return Operand(type=Type.NUMBER, sql=SQL(template).format(*values))


def list_tables(scope: RelationScope) -> list[Composable]:
    """The relations of a scope with their aliases."""
    tables: list[Composable] = [SQL("({}) AS {}").format(RELATIONS[scope.entity.relation], SQL(scope.alias))]
    if scope.outer is not None:
        tables.append(SQL("({}) AS {}").format(RELATIONS["observation_datastream"], SQL(scope.outer)))
    return tables


def join_readings(scope: RelationScope) -> Composable:
    """The condition between readings and their datastreams."""
    return SQL("{0}.datastream_id = {1}.datastream_id").format(SQL(scope.alias), SQL(str(scope.outer)))
