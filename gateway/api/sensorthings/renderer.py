"""Entities as JSON: what versions 1.1 and 2.0 have in common, and in what they differ. Pure.

A row has the columns of a relation. Expanded entities come as documents that are already rendered.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.api.schemas.observations import flag_names
from gateway.api.sensorthings.model import OBSERVATION, EntityType, Kind, Property
from gateway.api.sensorthings.sql_comparisons import encode_observation_id
from gateway.model.timestamps import format_instant

Row = Mapping[str, Any]
Document = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class BatchOrigin:
    """The signed batch that a reading came in: where its number can be traced to."""

    id: int
    node: str
    incarnation: str
    seq: int


Batches = Mapping[int, BatchOrigin]


@dataclass(frozen=True, kw_only=True)
class VersionDialect:
    """Names of the control information of a version. `control`: their prefix."""

    version: str
    control: str
    conformance: Sequence[str]
    format_interval: Callable[[datetime, datetime], object]

    @property
    def id_name(self) -> str:
        """Name of an entity's id."""
        return "@iot.id" if self.control == "@iot." else "id"

    @property
    def self_name(self) -> str:
        """Name of an entity's own address."""
        return f"{self.control}selfLink" if self.control == "@iot." else f"{self.control}id"


def read_id(entity: EntityType, row: Row) -> int:
    """The id of a row."""
    if entity.relation == OBSERVATION:
        return encode_observation_id(row["datastream_id"], row["observed_at"])
    return int(row["id"])


class EntityRenderer:
    """Renders rows of one type with one selection; made once for all rows of a level."""

    def __init__(self, dialect: VersionDialect, root: str, entity: EntityType, select: Sequence[str]) -> None:
        """`root`: address of the service in this version. `select`: names of properties and navigations; none: all."""
        self._dialect, self._entity = dialect, entity
        self._address = f"{root}/{entity.set_name}("
        selected = set(select)
        shows_id = not selected or bool(selected & {"id", "@iot.id"})
        self._shows_id, self._shows_self = shows_id, not selected or shows_id or dialect.self_name in selected
        self._properties = [
            (p.name, _value_reader(dialect, p))
            for p in entity.properties.values()
            if p.kind is not Kind.ID and (not selected or p.name in selected)
        ]
        self._navigations = [name for name in entity.navigations if not selected or name in selected]

    def render(self, row: Row, batches: Batches, expanded: Mapping[str, object] | None = None) -> Document:
        """The document of a row. `expanded`: by navigation; a set of it comes with the names of its links."""
        id_ = read_id(self._entity, row)
        address = f"{self._address}{id_})"
        document: Document = {}
        if self._shows_id:
            document[self._dialect.id_name] = id_
        if self._shows_self:
            document[self._dialect.self_name] = address
        for name, read in self._properties:
            document[name] = read(row, batches)
        shown = expanded or {}
        suffix = f"{self._dialect.control}navigationLink"
        for name in self._navigations:
            if name not in shown:
                document[f"{name}{suffix}"] = f"{address}/{name}"
        document.update(shown)
        return document


Reader = Callable[[Row, Batches], object]


def _value_reader(dialect: VersionDialect, entity_property: Property) -> Reader:
    """How a property is read from a row."""
    first = entity_property.columns[0] if entity_property.columns else ""
    if entity_property.kind is Kind.TIME:
        return lambda row, _: format_instant(row[first])
    if entity_property.kind is Kind.INTERVAL:
        return lambda row, _: (
            None if row[first] is None else dialect.format_interval(row[first], row[entity_property.columns[1]])
        )
    if entity_property.kind is Kind.GEOMETRY:
        return lambda row, _: {"type": "Point", "coordinates": [row["longitude"], row["latitude"]]}
    if entity_property.kind is not Kind.OPAQUE:
        return lambda row, _: row[first]
    return _OPAQUE_READERS[entity_property.columns]


def _trace(row: Row, batches: Batches) -> Document:
    batch = batches[row["batch_id"]]
    return {"node": batch.node, "incarnation": batch.incarnation, "seq": batch.seq}


_OPAQUE_READERS: Mapping[tuple[str, ...], Reader] = {
    (): lambda _, __: None,
    ("flags",): lambda row, _: flag_names(row["flags"]),
    ("batch_id",): _trace,
    ("flags", "batch_id"): lambda row, batches: {**_trace(row, batches), "flags": flag_names(row["flags"])},
}


def read_property(dialect: VersionDialect, entity_property: Property, row: Row, batches: Batches) -> object:
    """The value of one property of an entity; an id as it is."""
    return row["id"] if entity_property.kind is Kind.ID else _value_reader(dialect, entity_property)(row, batches)


def _format_period(start: datetime, end: datetime) -> str:
    return f"{format_instant(start)}/{format_instant(end)}"


def _build_period(start: datetime, end: datetime) -> dict[str, str]:
    return {"start": format_instant(start), "end": format_instant(end)}


_SPEC_1_1 = "http://www.opengis.net/spec/iot_sensing/1.1/req"
_SPEC_2_0 = "http://www.opengis.net/spec/sensorthings/2.0/req-class"
HTTP_BINDING = "http://www.opengis.net/spec/sensorthings/2.0/req/binding/http"
RECEIVE_UPDATES = f"{_SPEC_1_1}/receive-updates-via-mqtt/receive-updates"
VERSION_1_1 = VersionDialect(
    version="v1.1",
    control="@iot.",
    conformance=[
        f"{_SPEC_1_1}/datamodel",
        f"{_SPEC_1_1}/resource-path/resource-path-to-entities",
        f"{_SPEC_1_1}/request-data",
    ],
    format_interval=_format_period,
)
VERSION_2_0 = VersionDialect(
    version="v2.0",
    control="@",
    conformance=[
        f"{_SPEC_2_0}/datamodel/core",
        f"{_SPEC_2_0}/api/read",
        f"{_SPEC_2_0}/binding/http",
        f"{HTTP_BINDING}/request_response",
    ],
    format_interval=_build_period,
)
