"""Additions of version 2.0 to its documents: their context, and the data model as OData CSDL JSON. Pure.

Source: OGC 23-019, clauses "Context URL" and "Service Document", and its annex with an example of CSDL, as of
February 2026.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from gateway.api.sensorthings.model import EntityType, Kind, Model, Property
from gateway.api.sensorthings.path_parser import Resource

Document = dict[str, Any]
_NAMESPACE = "org.OGC.STA"
_CONTAINER = "SensorThingsV2"
_TYPES: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.ID: "Edm.Int64",
        Kind.TEXT: "Edm.String",
        Kind.NUMBER: "Edm.Double",
        Kind.TIME: "Edm.DateTimeOffset",
        Kind.INTERVAL: f"{_NAMESPACE}.TM_Period",
        Kind.GEOMETRY: "Edm.Geometry",
        Kind.JSON: f"{_NAMESPACE}.Object",
        Kind.OPAQUE: "Edm.Untyped",
    }
)


def add_context(document: Document, root: str, fragment: str = "") -> Document:
    """The document with the address that describes it, first."""
    return {"@context": f"{root}/$metadata{'#' if fragment else ''}{fragment}", **document}


def name_fragment(resource: Resource) -> str:
    """The part of the data model that an answer holds."""
    if resource.leaf is not None:
        return _TYPES[resource.leaf.kind] if not resource.parts else "Edm.Untyped"
    if resource.is_reference:
        return "Collection($ref)" if resource.is_set else "$ref"
    set_name = resource.steps[-1].entity.set_name
    return set_name if resource.is_set else f"{set_name}/$entity"


def build_metadata(model: Model) -> Document:
    """The entity types with their properties and navigations, and the sets of the service."""
    schema: Document = {entity.name: _build_type(entity) for entity in model.sets.values()}
    schema["Object"] = {"$Kind": "ComplexType", "$OpenType": True}
    moment = {"$Type": _TYPES[Kind.TIME]}
    schema["TM_Period"] = {"$Kind": "ComplexType", "start": moment, "end": moment}
    schema[_CONTAINER] = {
        "$Kind": "EntityContainer",
        **{name: _build_set(model, entity) for name, entity in model.sets.items()},
    }
    return {"$Version": "4.01", "$EntityContainer": f"{_NAMESPACE}.{_CONTAINER}", _NAMESPACE: schema}


def _build_type(entity: EntityType) -> Document:
    document: Document = {"$Kind": "EntityType", "$Key": ["id"]}
    document |= {name: _build_property(entity_property) for name, entity_property in entity.properties.items()}
    for name, navigation in entity.navigations.items():
        document[name] = {"$Kind": "NavigationProperty", "$Type": f"{_NAMESPACE}.{navigation.target}"}
        if navigation.is_set:
            document[name]["$Collection"] = True
    return document


def _build_property(entity_property: Property) -> Document:
    """CSDL has text that is never null as the default, without a description."""
    described: Document = {} if entity_property.kind is Kind.TEXT else {"$Type": _TYPES[entity_property.kind]}
    if entity_property.is_nullable or entity_property.kind is Kind.OPAQUE:
        described["$Nullable"] = True
    return described


def _build_set(model: Model, entity: EntityType) -> Document:
    bindings = {name: model.target_of(navigation).set_name for name, navigation in entity.navigations.items()}
    return {"$Collection": True, "$Type": f"{_NAMESPACE}.{entity.name}", "$NavigationPropertyBinding": bindings}
