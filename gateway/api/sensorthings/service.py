"""Answers of a SensorThings service: pages, entities and properties, with everything that they expand.

Each answer is read in one snapshot of the database, with one statement per level: a page, then the entities that all
its rows expand together. Rows are bounded per level and in all. Raises QueryError; HTTPException 503 if the database is
away or a statement takes longer than 5 s.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace
from psycopg import AsyncConnection, DataError
from psycopg.errors import QueryCanceled
from psycopg.rows import class_row, dict_row

from gateway.api.data.database import Database
from gateway.api.sensorthings.errors import BadQueryError, MissingError, TooSlowError
from gateway.api.sensorthings.links import build_nested_query, build_next_link
from gateway.api.sensorthings.model import EntityType, Model, Navigation
from gateway.api.sensorthings.option_parser import format_position
from gateway.api.sensorthings.path_parser import Resource
from gateway.api.sensorthings.query import DEFAULT_TOP, MAX_ROWS, Expand, QueryOptions, ReadingPosition
from gateway.api.sensorthings.relations import QUERIES
from gateway.api.sensorthings.renderer import Batches, BatchOrigin, Document, EntityRenderer, VersionDialect, read_id
from gateway.api.sensorthings.sql_builder import (
    Constraint,
    Statement,
    build_count,
    build_expanded,
    build_expanded_counts,
    build_page,
    constrain_id,
    is_by_time,
    list_columns,
)

_EXPANDED_TOP = 1_000  # clients such as QGIS do not follow links inside of an entity
_MAX_ENTITIES = 50_000
_ROWS_PER_TURN = 500  # then other requests of this process have theirs

Rows = list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Service:
    """One version of the service. `root`: its address. `values`: parameters of relations.sql."""

    model: Model
    dialect: VersionDialect
    root: str
    database: Database
    values: Mapping[str, object]

    async def read_set(self, resource: Resource, options: QueryOptions, address: str, query: str) -> Document:
        """A page of a set. `address` and `query`: of the request, for the link to the next page."""
        async with _open_snapshot(self) as reader:
            entity, constraints = await reader.follow(resource)
            check_selection(entity, options)
            check_position(entity, options)
            top = DEFAULT_TOP if options.top is None else options.top
            rows = await reader.fetch(build_page(self.model, entity, options, constraints, top + 1)) if top else []
            document: Document = {}
            if len(rows) > top:
                start = describe_next_start(entity, options, rows[:top], options.skip + top)
                document[f"{self.dialect.control}nextLink"] = build_next_link(address, query, start)
            if options.count:
                counts = await reader.fetch(build_count(self.model, entity, options, constraints))
                document[f"{self.dialect.control}count"] = counts[0]["count"]
            if resource.is_reference:
                options = QueryOptions(select=(self.dialect.self_name,))
            document["value"] = await reader.render(entity, options, rows[:top])
            return document

    async def read_entity(self, resource: Resource, options: QueryOptions) -> Document:
        """An entity. Raises MissingError."""
        async with _open_snapshot(self) as reader:
            entity, row = await reader.find_row(resource, options)
            check_selection(entity, options)
            if resource.is_reference:
                options = QueryOptions(select=(self.dialect.self_name,))
            return (await reader.render(entity, options, [row]))[0]

    async def read_property(self, resource: Resource) -> object:
        """The value of a property, or of a part of it. Raises MissingError."""
        assert resource.leaf is not None  # noqa: S101 - the caller asks for a property
        async with _open_snapshot(self) as reader:
            entity, row = await reader.find_row(resource, QueryOptions())
            name = self.dialect.id_name if resource.leaf.name == "id" else resource.leaf.name
            document = (await reader.render(entity, QueryOptions(), [row]))[0]
        value = document[name]
        for part in resource.parts:
            if not isinstance(value, Mapping) or part not in value:
                raise MissingError(f"{resource.leaf.name} has no part {part[:40]!r}")
            value = value[part]
        return value


class _SnapshotReader:
    """Reads and renders in one transaction."""

    def __init__(self, service: Service, connection: AsyncConnection) -> None:
        self._service, self._connection = service, connection
        self._entities = 0

    async def fetch(self, statement: Statement) -> Rows:
        """The rows of a statement."""
        cursor = self._connection.cursor(binary=True, row_factory=dict_row)
        return await (await cursor.execute(statement.sql, {**self._service.values, **statement.values})).fetchall()

    async def follow(self, resource: Resource) -> tuple[EntityType, list[Constraint]]:
        """The set that a path leads to, and what constrains it. Raises MissingError for an entity that is not there."""
        steps = list(resource.steps)
        constraints: list[Constraint] = []
        for i, step in enumerate(steps):
            if i:
                row = await self._find_row(steps[i - 1].entity, constraints)
                navigation = step.navigation
                assert navigation is not None  # noqa: S101 - every step but the first has one
                constraints = [Constraint(column=navigation.target_column, value=row[navigation.column])]
            if step.id is not None:
                constraints += constrain_id(step.entity, step.id)
        return steps[-1].entity, constraints

    async def find_row(self, resource: Resource, options: QueryOptions) -> tuple[EntityType, dict[str, Any]]:
        """The entity that a path leads to."""
        entity, constraints = await self.follow(resource)
        return entity, await self._find_row(entity, constraints, options.select)

    async def _find_row(
        self, entity: EntityType, constraints: Sequence[Constraint], select: Sequence[str] = ()
    ) -> dict[str, Any]:
        options = QueryOptions(select=tuple(select))
        rows = await self.fetch(build_page(self._service.model, entity, options, constraints, 1))
        if not rows:
            raise MissingError(f"there is no such {entity.name}")
        return rows[0]

    async def render(self, entity: EntityType, options: QueryOptions, rows: Rows) -> list[Document]:
        """The documents of rows, with everything that they expand."""
        service = self._service
        self._entities += len(rows)
        if self._entities > _MAX_ENTITIES:
            raise BadQueryError(
                f"$expand: the answer would hold more than {_MAX_ENTITIES} entities; use a smaller $top"
            )
        batches = await self._fetch_batches(rows) if "batch_id" in list_columns(entity, options.select) else {}
        expanded = [(expand, await self._expand(entity, expand, rows)) for expand in options.expand]
        renderer = EntityRenderer(service.dialect, service.root, entity, options.select)
        documents = []
        for i, row in enumerate(rows):
            if i % _ROWS_PER_TURN == _ROWS_PER_TURN - 1:
                await asyncio.sleep(0)
            shown: Document = {}
            for expand, by_key in expanded:
                navigation = entity.navigations[expand.navigation]
                shown.update(self._show_expanded(entity, row, navigation, expand, by_key))
            documents.append(renderer.render(row, batches, shown))
        return documents

    async def _expand(self, entity: EntityType, expand: Expand, rows: Rows) -> "_Expanded":
        """The documents that a navigation leads to, by what it joins."""
        navigation, model = entity.find_navigation(expand.navigation), self._service.model
        target = model.target_of(navigation)
        check_selection(target, expand.options)
        keys = sorted({row[navigation.column] for row in rows})
        if not keys:
            return _Expanded(documents={}, counts={}, continued=frozenset(), next_query="")
        top = _EXPANDED_TOP if expand.options.top is None else expand.options.top
        limit = min(top, max(1, MAX_ROWS // len(keys))) if navigation.is_set else 1
        children = await self.fetch(build_expanded(model, navigation, expand.options, keys, limit + 1)) if limit else []
        counts = {}
        if expand.options.count:
            counted = await self.fetch(build_expanded_counts(model, navigation, expand.options, keys))
            counts = {row["key"]: row["count"] for row in counted}
        numbers: Counter[int] = Counter()
        shown_children = []
        for child in children:  # the one after the last is only there to show that more follow
            numbers[child["key"]] += 1
            if numbers[child["key"]] <= limit:
                shown_children.append(child)
        rendered = await self.render(target, expand.options, shown_children)
        documents: dict[int, list[Document]] = {}
        for child, document in zip(shown_children, rendered, strict=True):
            documents.setdefault(child["key"], []).append(document)
        following = build_nested_query(replace(expand.options, skip=expand.options.skip + limit))
        continued = {key for key, number in numbers.items() if number > limit}
        return _Expanded(documents=documents, counts=counts, continued=continued, next_query=following)

    def _show_expanded(
        self, entity: EntityType, row: Mapping[str, Any], navigation: Navigation, expand: Expand, expanded: "_Expanded"
    ) -> Document:
        """A navigation of an entity: one document, or a set with its count and the link to its next page."""
        key, control = row[navigation.column], self._service.dialect.control
        documents = expanded.documents.get(key, [])
        if not navigation.is_set:
            return {navigation.name: documents[0] if documents else None}
        shown: Document = {navigation.name: documents}
        if expand.options.count:
            shown[f"{navigation.name}{control}count"] = expanded.counts[key]
        if key in expanded.continued:
            address = f"{self._service.root}/{entity.set_name}({read_id(entity, row)})/{navigation.name}"
            shown[f"{navigation.name}{control}nextLink"] = f"{address}?{expanded.next_query}"
        return shown

    async def _fetch_batches(self, rows: Rows) -> Batches:
        ids = sorted({row["batch_id"] for row in rows})
        cursor = self._connection.cursor(binary=True, row_factory=class_row(BatchOrigin))
        await cursor.execute(QUERIES["select_batches"], {"ids": ids})
        return {batch.id: batch async for batch in cursor}


@dataclass(frozen=True, kw_only=True)
class _Expanded:
    """`documents` and `counts`: by the value that the navigation joins.

    `continued`: values with more documents; `next_query`: query of the link to these.
    """

    documents: Mapping[int, list[Document]]
    counts: Mapping[int, int]
    continued: AbstractSet[int]
    next_query: str


@asynccontextmanager
async def _open_snapshot(service: Service) -> AsyncIterator[_SnapshotReader]:
    """A reader in one read-only transaction. A value that PostgreSQL cannot compute is the client's: BadQueryError."""
    async with service.database.costly_connection() as connection:
        try:
            async with connection.transaction():
                await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                yield _SnapshotReader(service, connection)
        except QueryCanceled:
            raise TooSlowError("that took too long; name a Datastream or a shorter period in $filter") from None
        except DataError:
            raise BadQueryError("$filter: computes a number or time that is too large") from None


def describe_next_start(entity: EntityType, options: QueryOptions, rows: Rows, skip: int) -> str:
    """The start of the next page: after the last observation in order of time, so that no page costs more."""
    if not is_by_time(entity, options):
        return f"$skip={skip}"
    last = rows[-1]["observed_at"], rows[-1]["datastream_id"]
    shown = sum((row["observed_at"], row["datastream_id"]) == last for row in rows)
    if options.after is not None and (options.after.at, options.after.datastream) == last:
        shown += options.after.shown
    return f"$skiptoken={format_position(ReadingPosition(*last, shown))}"


def check_position(entity: EntityType, options: QueryOptions) -> None:
    """Raise BadQueryError if the question has no positions."""
    if options.after is not None and not is_by_time(entity, options):
        raise BadQueryError("$skiptoken: belongs to Observations in order of time; use $skip")


def check_selection(entity: EntityType, options: QueryOptions) -> None:
    """Raise BadQueryError for a name of `$select` that the entity does not have."""
    names: Iterable[str] = (name for name in options.select if not name.startswith("@"))
    for name in names:
        if name not in entity.navigations:
            entity.find_property(name)
