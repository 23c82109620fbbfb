"""Queries of entities: pages, counts, and the entities that several parents expand, each as one statement. Pure.

Readings are the only large table. They are read per datastream, in its index, and no more of each than the page holds:
a page costs the same in a table of any size. Conditions on the datastream alone choose datastreams first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.sql import SQL, Composable, Composed, Identifier

from gateway.api.sensorthings.model import OBSERVATION, EntityType, Model, Navigation
from gateway.api.sensorthings.operands import Type
from gateway.api.sensorthings.query import Expression, Logical, OrderTerm, Path, QueryOptions, ReadingPosition
from gateway.api.sensorthings.relations import RELATIONS
from gateway.api.sensorthings.scope import RelationScope
from gateway.api.sensorthings.sql_comparisons import decode_observation_id
from gateway.api.sensorthings.sql_expressions import SqlCompiler, resolve_path, walk_paths

_TIMES = ("phenomenonTime", "resultTime")
_READING_COLUMNS = ("datastream_id", "observed_at", "result", "flags", "batch_id")
_TEXT_TYPES = frozenset({Type.TEXT})


@dataclass(frozen=True, kw_only=True)
class Statement:
    """SQL with the values of its parameters."""

    sql: Composed
    values: dict[str, object]


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """The entities whose column has this value: an id, or what a navigation joins. `cast`: its type in PostgreSQL."""

    column: str
    value: int | datetime
    cast: str = "bigint"


def build_page(
    model: Model, entity: EntityType, options: QueryOptions, constraints: Sequence[Constraint], limit: int
) -> Statement:
    """At most `limit` entities of a set, after `$skip`. Raises QueryError."""
    return _Builder(model).build_page(entity, options, constraints, limit)


def build_count(
    model: Model, entity: EntityType, options: QueryOptions, constraints: Sequence[Constraint]
) -> Statement:
    """The number of entities of a set. Raises QueryError."""
    return _Builder(model).build_count(entity, options, constraints)


def build_expanded(
    model: Model, navigation: Navigation, options: QueryOptions, keys: Sequence[int], limit: int
) -> Statement:
    """For each parent, named by `key`, at most `limit` entities that a navigation leads to. Raises QueryError."""
    return _Builder(model).build_expanded(navigation, options, keys, limit)


def build_expanded_counts(
    model: Model, navigation: Navigation, options: QueryOptions, keys: Sequence[int]
) -> Statement:
    """For each parent, named by `key`, the number of these entities. Raises QueryError."""
    return _Builder(model).build_expanded_counts(navigation, options, keys)


class _Builder:
    def __init__(self, model: Model) -> None:
        self._model, self._compiler = model, SqlCompiler(model)

    def build_page(
        self, entity: EntityType, options: QueryOptions, constraints: Sequence[Constraint], limit: int
    ) -> Statement:
        return self._finish(self._select(entity, options, self._conditions(constraints), limit))

    def build_count(self, entity: EntityType, options: QueryOptions, constraints: Sequence[Constraint]) -> Statement:
        return self._finish(self._count(entity, options, self._conditions(constraints)))

    def build_expanded(
        self, navigation: Navigation, options: QueryOptions, keys: Sequence[int], limit: int
    ) -> Statement:
        keys_sql = self._compiler.parameters.add(list(keys), "bigint[]")
        condition = [(navigation.target_column, SQL("k.key"))]
        inner = self._select(self._model.target_of(navigation), options, condition, limit)
        return self._finish(
            SQL("SELECT k.key, x.* FROM unnest({}) AS k(key) CROSS JOIN LATERAL ({}) AS x").format(keys_sql, inner)
        )

    def build_expanded_counts(self, navigation: Navigation, options: QueryOptions, keys: Sequence[int]) -> Statement:
        keys_sql = self._compiler.parameters.add(list(keys), "bigint[]")
        inner = self._count(self._model.target_of(navigation), options, [(navigation.target_column, SQL("k.key"))])
        return self._finish(
            SQL("SELECT k.key, x.* FROM unnest({}) AS k(key) CROSS JOIN LATERAL ({}) AS x").format(keys_sql, inner)
        )

    def _finish(self, sql: Composed) -> Statement:
        return Statement(sql=sql, values=self._compiler.parameters.values)

    def _conditions(self, constraints: Sequence[Constraint]) -> list[tuple[str, Composable]]:
        """Columns with the values that they have; the id of an observation becomes its datastream and time."""
        add = self._compiler.parameters.add
        return [(constraint.column, add(constraint.value, constraint.cast)) for constraint in constraints]

    def _select(
        self, entity: EntityType, options: QueryOptions, equals: Sequence[tuple[str, Composable]], limit: int
    ) -> Composed:
        if entity.relation == OBSERVATION:
            return self._select_readings(entity, options, equals, limit)
        scope = self._compiler.create_scope(entity)
        columns = SQL(", ").join(scope.column(name) for name in list_columns(entity, options.select))
        condition = self._where(
            [SQL("{} = {}").format(scope.column(name), value) for name, value in equals], options.filter, scope
        )
        return SQL("SELECT {} FROM ({}) AS {} WHERE {} ORDER BY {} LIMIT {} OFFSET {}").format(
            columns,
            RELATIONS[entity.relation],
            Identifier(scope.alias),
            condition,
            self._order(options.order, scope),
            self._compiler.parameters.add(limit, "bigint"),
            self._compiler.parameters.add(options.skip, "bigint"),
        )

    def _count(self, entity: EntityType, options: QueryOptions, equals: Sequence[tuple[str, Composable]]) -> Composed:
        scope = self._compiler.create_scope(entity)
        if scope.outer is None:
            conditions = [SQL("{} = {}").format(scope.column(name), value) for name, value in equals]
            return SQL("SELECT count(*) AS count FROM ({}) AS {} WHERE {}").format(
                RELATIONS[entity.relation], Identifier(scope.alias), self._where(conditions, options.filter, scope)
            )
        inner, outer = self._split_conditions(options.filter, equals, scope)
        return SQL(
            "SELECT coalesce(sum(c.count), 0)::bigint AS count FROM ({}) AS {} CROSS JOIN LATERAL "
            "(SELECT count(*) AS count FROM ({}) AS {} WHERE {}) AS c WHERE {}"
        ).format(
            RELATIONS["observation_datastream"],
            Identifier(scope.outer),
            RELATIONS[OBSERVATION],
            Identifier(scope.alias),
            _all(inner),
            _all(outer),
        )

    def _select_readings(
        self, entity: EntityType, options: QueryOptions, equals: Sequence[tuple[str, Composable]], limit: int
    ) -> Composed:
        scope = self._compiler.create_scope(entity)
        outer_alias = str(scope.outer)
        page = RelationScope(entity=entity, alias="r", outer=outer_alias)
        inner, outer = self._split_conditions(options.filter, equals, scope)
        skip = options.skip if options.after is None else options.after.shown
        if options.after is not None:
            self._continue_after(options.after, options.order, scope, inner, outer)
        per_datastream = self._compiler.parameters.add(limit + skip, "bigint")
        return SQL(
            "SELECT {}.station_number, {} FROM ({}) AS {} CROSS JOIN LATERAL "
            "(SELECT {} FROM ({}) AS {} WHERE {} ORDER BY {} LIMIT {}) AS r WHERE {} ORDER BY {} LIMIT {} OFFSET {}"
        ).format(
            Identifier(outer_alias),
            SQL(", ").join(page.column(name) for name in _READING_COLUMNS),
            RELATIONS["observation_datastream"],
            Identifier(outer_alias),
            SQL(", ").join(scope.column(name) for name in _READING_COLUMNS),
            RELATIONS[OBSERVATION],
            Identifier(scope.alias),
            _all(inner),
            self._order(options.order, scope, is_single=True),
            per_datastream,
            _all(outer),
            self._order(options.order, page),
            self._compiler.parameters.add(limit, "bigint"),
            self._compiler.parameters.add(skip, "bigint"),
        )

    def _continue_after(
        self,
        position: ReadingPosition,
        order: Sequence[OrderTerm],
        scope: RelationScope,
        inner: list[Composable],
        outer: list[Composable],
    ) -> None:
        """Add the conditions that leave out what earlier pages held, but for the rows of the position itself."""
        at = self._compiler.parameters.add(position.at, "timestamptz")
        datastream = self._compiler.parameters.add(position.datastream, "int")
        observed_at, own = scope.column("observed_at"), SQL("{}.datastream_id").format(Identifier(str(scope.outer)))
        if not order:
            outer.append(SQL("{} >= {}").format(own, datastream))
            first = SQL("{} <= CASE WHEN {} = {} THEN {} ELSE 'infinity' END")
            inner.append(first.format(observed_at, own, datastream, at))
            return
        sign, strict = ("<=", "<") if order[0].is_descending else (">=", ">")
        inner.append(SQL("{} {} {}").format(observed_at, SQL(sign), at))
        inner.append(SQL("({} {} {} OR {} >= {})").format(observed_at, SQL(strict), at, own, datastream))

    def _split_conditions(
        self, filter_: Expression | None, equals: Sequence[tuple[str, Composable]], scope: RelationScope
    ) -> tuple[list[Composable], list[Composable]]:
        """The conditions on readings, and those on their datastreams alone."""
        outer_scope = RelationScope(entity=scope.entity, alias=str(scope.outer), outer=scope.outer)
        inner: list[Composable] = [
            SQL("{} = {}").format(scope.column("datastream_id"), outer_scope.column("datastream_id"))
        ]
        outer: list[Composable] = []
        for name, value in equals:
            target = inner if name == "observed_at" else outer
            target.append(SQL("{} = {}").format((scope if name == "observed_at" else outer_scope).column(name), value))
        for part in _split_and(filter_):
            is_outer = self._is_of_datastream(part, scope.entity)
            (outer if is_outer else inner).append(
                self._compiler.build_condition(part, outer_scope if is_outer else scope)
            )
        return inner, outer

    def _is_of_datastream(self, expression: Expression, entity: EntityType) -> bool:
        """Whether every path of a condition leads away from the reading, so that it holds for a whole datastream."""
        paths = [resolve_path(self._model, entity, path)[0] for path in walk_paths(expression)]
        return bool(paths) and all(paths)

    def _where(self, conditions: Sequence[Composable], filter_: Expression | None, scope: RelationScope) -> Composable:
        if filter_ is None:
            return _all(conditions)
        return _all([*conditions, self._compiler.build_condition(filter_, scope)])

    def _order(self, terms: Sequence[OrderTerm], scope: RelationScope, *, is_single: bool = False) -> Composable:
        """The terms, and what makes the order definite. `is_single`: of one datastream."""
        parts: list[Composable] = []
        for term in terms:
            value = self._compiler.build_order(term.expression, scope)
            if value.reading is not None:
                direction = SQL(" DESC" if term.is_descending else " ASC")
                parts += [scope.column(name) + direction for name in ("datastream_id", "observed_at")]
                continue
            collation = SQL(' COLLATE "C"') if value.type in _TEXT_TYPES else SQL("")
            # null is the least, as in OData; readings have no null, and their index knows no such order
            nulls = SQL("") if scope.outer is not None else SQL(" NULLS LAST" if term.is_descending else " NULLS FIRST")
            parts.append(value.sql + collation + SQL(" DESC" if term.is_descending else " ASC") + nulls)
            if value.second is not None:
                parts.append(value.second + SQL(" DESC" if term.is_descending else " ASC") + nulls)
        if scope.outer is None:
            return SQL(", ").join([*parts, scope.column("id")])
        if not is_single:
            # of the outer relation: its index has this order, so that a page ends with the first datastreams
            parts.append(SQL("{}.datastream_id").format(Identifier(scope.outer)))
        ends = [scope.column("observed_at") + SQL(" DESC"), scope.column("batch_id"), scope.column("result")]
        return SQL(", ").join([*parts, *ends])


def is_by_time(entity: EntityType, options: QueryOptions) -> bool:
    """Whether a set is one of observations in their own order, or in order of time alone."""
    terms = [term.expression for term in options.order]
    return entity.relation == OBSERVATION and terms in [[], *([Path((name,))] for name in _TIMES)]


def _all(conditions: Sequence[Composable]) -> Composable:
    return SQL(" AND ").join(conditions) if conditions else SQL("true")


def _split_and(expression: Expression | None) -> Iterator[Expression]:
    """The conditions that must all hold."""
    if isinstance(expression, Logical) and expression.operator == "and":
        yield from _split_and(expression.left)
        yield from _split_and(expression.right)
    elif expression is not None:
        yield expression


def list_columns(entity: EntityType, select: Sequence[str]) -> list[str]:
    """The columns that an answer needs: of the selected properties, of all without any, and of every navigation."""
    names = [name for name in select if name in entity.properties] if select else list(entity.properties)
    columns = ["id", *(navigation.column for navigation in entity.navigations.values())]
    return list(dict.fromkeys([*columns, *(column for name in names for column in entity.properties[name].columns)]))


def constrain_id(entity: EntityType, id_: int) -> list[Constraint]:
    """The constraints of the entity with this id; an observation has those of its datastream and its time."""
    if entity.relation != OBSERVATION:
        return [Constraint(column="id", value=id_)]
    datastream, at = decode_observation_id(id_)
    return [
        Constraint(column="datastream_id", value=datastream),
        Constraint(column="observed_at", value=at, cast="timestamptz"),
    ]
