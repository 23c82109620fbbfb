"""The registry at one moment: areas, sites, stations, nodes, properties, datastreams.

An immutable snapshot. `store.stations` reads it from the database; it is replaced as a whole when it changes. A
datastream has a permanent database id and a slot (its index in the arrays of this process); the snapshot maps one to
the other.
"""

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, wraps
from typing import TypeVar
from weakref import WeakKeyDictionary

from edge_agent.wire import DesiredConfig, Verifier
from gateway.model.legal_day import LEGAL_TIME_ZONE

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ObservedProperty:
    """One row of the registry of properties, as the database has it (see properties.toml).

    `unit` is UCUM. Below `lower` or above `upper` a value is flagged, never dropped. `max_rise` is the largest
    plausible change from one reading to the next (None: not checked). `severity_levels` holds the excess at which an
    event is minor, moderate, severe and extreme.
    """

    id: str
    unit: str
    name: Mapping[str, str]
    names_in_text: Mapping[str, str] = field(default_factory=dict)  # as mails and sentences call it, per language
    lower: float | None = None
    upper: float | None = None
    max_rise: float | None = None
    severity_levels: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Area:
    """The polygon of one jurisdiction; the routing label and the partition key."""

    id: str
    name: str
    authority: str
    outline: Mapping[str, object] = field(repr=False)  # a GeoJSON geometry, CRS84
    time_zone: str = LEGAL_TIME_ZONE  # whose legal days it has


@dataclass(frozen=True, kw_only=True)
class Site:
    """A watched facility and its operator. Degrees WGS 84."""

    id: str
    area: str
    name: str
    operator: str
    latitude: float
    longitude: float


@dataclass(frozen=True, kw_only=True)
class Station:
    """A place's public identity. Degrees WGS 84, public position rounded to 3 decimals."""

    id: str
    area: str
    name: str
    latitude: float
    longitude: float


@dataclass(frozen=True, kw_only=True)
class Node:
    """The Pi with its credentials, and the station where it is installed now."""

    id: str
    area: str
    station: str
    key: Verifier
    revoked: bool = False
    desired_config: DesiredConfig | None = None  # None if operators have set none


@dataclass(frozen=True, kw_only=True)
class Datastream:
    """One observed property, one node's sensor, one station. `slot` is its row in every array."""

    slot: int
    id: int
    station: str
    node: str
    observed_property: str


@dataclass(frozen=True, kw_only=True)
class MaintenancePeriod:
    """Readings of this node in [start_ms, end_ms), ms UTC, do not count; `properties`: only of these, empty: of all."""

    node: str
    start_ms: int
    end_ms: int
    properties: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Registry:
    """The whole snapshot. `datastreams[slot].slot == slot`; slots only ever grow.

    Snapshots are compared by identity, so that derived values can be cached per snapshot.

    `version` counts the operators' changes in the database, so that a process sees when to read it again.
    """

    version: int = 0
    areas: Mapping[str, Area]
    sites: Sequence[Site]
    stations: Mapping[str, Station]
    nodes: Mapping[str, Node]
    properties: Mapping[str, ObservedProperty]
    datastreams: Sequence[Datastream]
    slots: Mapping[tuple[str, str], int] = field(repr=False)  # (node, property) -> slot
    maintenance: Sequence[MaintenancePeriod] = ()

    @cached_property
    def datastream_ids(self) -> "array[int]":
        """Database id of each datastream, by slot."""
        return array("q", (d.id for d in self.datastreams))

    @cached_property
    def slots_by_node(self) -> Mapping[str, Sequence[int]]:
        """All slots of each node."""
        slots_by_node: dict[str, list[int]] = {}
        for datastream in self.datastreams:
            slots_by_node.setdefault(datastream.node, []).append(datastream.slot)
        return slots_by_node


def cache_per_registry(compute: Callable[[Registry], T]) -> Callable[[Registry], T]:
    """Memoise a function of the registry, which is immutable, for as long as that registry exists."""
    cache: WeakKeyDictionary[Registry, T] = WeakKeyDictionary()

    @wraps(compute)
    def cached(registry: Registry) -> T:
        if registry not in cache:
            cache[registry] = compute(registry)
        return cache[registry]

    return cached
