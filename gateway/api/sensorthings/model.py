"""The entities of SensorThings 1.1 and 2.0 over the tables of the registry and the readings. Pure.

Both versions have the same relations in `relations.sql` and differ in names. A station is a Thing, a Location and a
Feature; a datastream is a Datastream and a Sensor; a reading that counts is an Observation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, auto

from gateway.api.sensorthings.errors import BadQueryError, MissingError


class Kind(StrEnum):
    """Types of properties. The type decides how a filter can use the property."""

    ID = auto()
    TEXT = auto()
    NUMBER = auto()
    TIME = auto()
    INTERVAL = auto()
    JSON = auto()
    GEOMETRY = auto()
    OPAQUE = auto()  # shown, but no filter reads it


@dataclass(frozen=True, kw_only=True)
class Property:
    """A property. `columns`: of the relation; two for an interval (start, end) and a geometry (longitude, latitude)."""

    name: str
    kind: Kind
    columns: tuple[str, ...]
    is_nullable: bool = False


@dataclass(frozen=True, kw_only=True)
class Navigation:
    """A navigation: the entities of `target` whose `target_column` equals our `column`."""

    name: str
    target: str
    is_set: bool
    column: str
    target_column: str


@dataclass(frozen=True, kw_only=True)
class EntityType:
    """A type of entity. `relation`: its name in relations.sql."""

    name: str
    set_name: str
    relation: str
    properties: Mapping[str, Property]
    navigations: Mapping[str, Navigation]

    def find_property(self, name: str) -> Property:
        """A property by name; `@iot.id` means `id`. Raises BadQueryError."""
        entity_property = self.properties.get("id" if name == "@iot.id" else name)
        if entity_property is None:
            names = ", ".join([*self.properties, *self.navigations])
            raise BadQueryError(f"{self.name} has no {name[:40]!r}; it has: {names}")
        return entity_property

    def find_navigation(self, name: str) -> Navigation:
        """A navigation by name. Raises BadQueryError."""
        navigation = self.navigations.get(name)
        if navigation is None:
            raise BadQueryError(f"{self.name} has no navigation {name[:40]!r}; it has: {', '.join(self.navigations)}")
        return navigation


@dataclass(frozen=True, kw_only=True)
class Model:
    """The entity types of one version, by the name of their sets."""

    sets: Mapping[str, EntityType]

    def find_set(self, name: str) -> EntityType:
        """The type of a set. Raises MissingError."""
        entity_set = self.sets.get(name)
        if entity_set is None:
            raise MissingError(f"no set {name[:40]!r}; there are: {', '.join(self.sets)}")
        return entity_set

    def target_of(self, navigation: Navigation) -> EntityType:
        """The type that a navigation leads to."""
        return next(entity for entity in self.sets.values() if entity.name == navigation.target)


OBSERVATION = "observation"  # the relation of readings, which `sql_builder` treats apart

_TEXTS = ("name", "description", "definition", "encoding_type", "observation_type", "metadata")
_NAMES = {"encoding_type": "encodingType", "observation_type": "observationType"}


def _property(name: str, kind: Kind, *columns: str, is_nullable: bool = False) -> Property:
    return Property(name=name, kind=kind, columns=columns, is_nullable=is_nullable)


_PROPERTIES = {
    **{name: _property(_NAMES.get(name, name), Kind.TEXT, name) for name in _TEXTS},
    "id": _property("id", Kind.ID, "id"),
    "properties": _property("properties", Kind.JSON, "properties"),
    "unit": _property("unitOfMeasurement", Kind.JSON, "unit_of_measurement"),
    "result_type": _property("resultType", Kind.JSON, "result_type"),
    "observed_area": _property("observedArea", Kind.GEOMETRY, "longitude", "latitude"),
    "location": _property("location", Kind.GEOMETRY, "longitude", "latitude"),
    "feature": _property("feature", Kind.GEOMETRY, "longitude", "latitude"),
    "time": _property("time", Kind.TIME, "time"),
    "period": _property("phenomenonTime", Kind.INTERVAL, "phenomenon_start", "phenomenon_end", is_nullable=True),
    "result_period": _property("resultTime", Kind.INTERVAL, "phenomenon_start", "phenomenon_end", is_nullable=True),
    "observed_at": _property("phenomenonTime", Kind.TIME, "observed_at"),
    "result_time": _property("resultTime", Kind.TIME, "observed_at"),
    "result": _property("result", Kind.NUMBER, "result"),
    "quality": _property("resultQuality", Kind.OPAQUE, "flags"),
    "valid_time": _property("validTime", Kind.OPAQUE),
    "parameters": _property("parameters", Kind.OPAQUE, "batch_id"),
    "trace": _property("properties", Kind.OPAQUE, "flags", "batch_id"),
}


def _navigation(name: str, target: str, columns: str) -> Navigation:
    """`columns`: ours and the target's, with a dash between them. One to a single entity has its name or a role."""
    column, _, target_column = columns.partition("-")
    return Navigation(
        name=name,
        target=target,
        is_set=name != target and not name.endswith("FeatureOfInterest"),
        column=column,
        target_column=target_column or column,
    )


def _entity(name: str, set_name: str, relation: str, properties: str, *navigations: Navigation) -> EntityType:
    rows = [_PROPERTIES[key] for key in ("id", *properties.split())]
    return EntityType(
        name=name,
        set_name=set_name,
        relation=relation,
        properties={row.name: row for row in rows},
        navigations={row.name: row for row in navigations},
    )


def _model(entities: Sequence[EntityType]) -> Model:
    return Model(sets={entity.set_name: entity for entity in entities})


MODEL_1_1 = _model([
    _entity(
        "Thing", "Things", "thing", "name description properties",
        _navigation("Locations", "Location", "id"),
        _navigation("HistoricalLocations", "HistoricalLocation", "id"),
        _navigation("Datastreams", "Datastream", "id-station_number"),
    ),
    _entity(
        "Location", "Locations", "place", "name description encoding_type location properties",
        _navigation("Things", "Thing", "id"),
        _navigation("HistoricalLocations", "HistoricalLocation", "id"),
    ),
    _entity(
        "HistoricalLocation", "HistoricalLocations", "historical_location", "time",
        _navigation("Thing", "Thing", "id"),
        _navigation("Locations", "Location", "id"),
    ),
    _entity(
        "Datastream", "Datastreams", "datastream",
        "name description observation_type unit observed_area period result_period properties",
        _navigation("Thing", "Thing", "station_number-id"),
        _navigation("Sensor", "Sensor", "id"),
        _navigation("ObservedProperty", "ObservedProperty", "property_number-id"),
        _navigation("Observations", "Observation", "id-datastream_id"),
    ),
    _entity(
        "Sensor", "Sensors", "sensor", "name description encoding_type metadata properties",
        _navigation("Datastreams", "Datastream", "id"),
    ),
    _entity(
        "ObservedProperty", "ObservedProperties", "observed_property", "name definition description properties",
        _navigation("Datastreams", "Datastream", "id-property_number"),
    ),
    _entity(
        "Observation", "Observations", OBSERVATION,
        "observed_at result_time result quality valid_time parameters",
        _navigation("Datastream", "Datastream", "datastream_id-id"),
        _navigation("FeatureOfInterest", "FeatureOfInterest", "station_number-id"),
    ),
    _entity(
        "FeatureOfInterest", "FeaturesOfInterest", "place", "name description encoding_type feature properties",
        _navigation("Observations", "Observation", "id-station_number"),
    ),
])  # fmt: skip

MODEL_2_0 = _model([
    _entity(
        "Thing", "Things", "thing", "name description definition properties",
        _navigation("Locations", "Location", "id"),
        _navigation("HistoricalLocations", "HistoricalLocation", "id"),
        _navigation("Datastreams", "Datastream", "id-station_number"),
    ),
    _entity(
        "Location", "Locations", "place", "name description definition encoding_type location properties",
        _navigation("Things", "Thing", "id"),
        _navigation("HistoricalLocations", "HistoricalLocation", "id"),
    ),
    _entity(
        "HistoricalLocation", "HistoricalLocations", "historical_location", "time",
        _navigation("Thing", "Thing", "id"),
        _navigation("Locations", "Location", "id"),
    ),
    _entity(
        "Datastream", "Datastreams", "datastream",
        "name description definition result_type observed_area period result_period properties",
        _navigation("Thing", "Thing", "station_number-id"),
        _navigation("Sensor", "Sensor", "id"),
        _navigation("ObservedProperties", "ObservedProperty", "property_number-id"),
        _navigation("Observations", "Observation", "id-datastream_id"),
        _navigation("UltimateFeaturesOfInterest", "Feature", "station_number-id"),
    ),
    _entity(
        "Sensor", "Sensors", "sensor", "name description definition encoding_type metadata properties",
        _navigation("Datastreams", "Datastream", "id"),
    ),
    _entity(
        "ObservedProperty", "ObservedProperties", "observed_property", "name description definition properties",
        _navigation("Datastreams", "Datastream", "id-property_number"),
    ),
    _entity(
        "Observation", "Observations", OBSERVATION, "observed_at result_time result valid_time trace",
        _navigation("Datastream", "Datastream", "datastream_id-id"),
        _navigation("ProximateFeatureOfInterest", "Feature", "station_number-id"),
    ),
    _entity(
        "Feature", "Features", "place", "name description definition encoding_type feature properties",
        _navigation("FeatureTypes", "FeatureType", "feature_type_id-id"),
        _navigation("DatastreamsUltimate", "Datastream", "id-station_number"),
        _navigation("Observations", "Observation", "id-station_number"),
    ),
    _entity(
        "FeatureType", "FeatureTypes", "feature_type", "name description definition properties",
        _navigation("Features", "Feature", "id-feature_type_id"),
    ),
])  # fmt: skip
