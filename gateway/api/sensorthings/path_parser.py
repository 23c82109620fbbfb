"""Parser of resource paths, such as `Things(1)/Datastreams(3)/Observations`. Pure.

Raises MissingError for what does not exist, BadQueryError for what no path may hold.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.api.sensorthings.errors import BadQueryError, MissingError
from gateway.api.sensorthings.model import EntityType, Kind, Model, Navigation, Property
from gateway.api.sensorthings.query import MAX_PATH_STEPS

_SEGMENT = re.compile(r"([A-Za-z]+)(?:\((.*)\))?")
_MAX_ID = 2**63 - 1


@dataclass(frozen=True, kw_only=True)
class PathStep:
    """A set or an entity on the way. `navigation`: by which the step before leads here. `id`: None for a whole set."""

    entity: EntityType
    navigation: Navigation | None = None
    id: int | None = None


@dataclass(frozen=True, kw_only=True)
class Resource:
    """The target of an address.

    leaf          the property, if it names one
    parts         names inside of a JSON property
    is_value      the value as text
    is_reference  addresses only
    """

    steps: Sequence[PathStep]
    leaf: Property | None = None
    parts: Sequence[str] = ()
    is_value: bool = False
    is_reference: bool = False

    @property
    def is_set(self) -> bool:
        """Whether it is a set, not an entity or a property."""
        last = self.steps[-1]
        is_single = last.id is not None or (last.navigation is not None and not last.navigation.is_set)
        return self.leaf is None and not is_single


def parse_path(model: Model, text: str) -> Resource:
    """The resource of a path without a slash at its ends."""
    segments = text.split("/")
    if len(segments) > 2 * MAX_PATH_STEPS:
        raise BadQueryError(f"a path has at most {2 * MAX_PATH_STEPS} parts")
    name, id_ = _parse_segment(segments[0])
    steps = [PathStep(entity=model.find_set(name), id=id_)]
    for i, segment in enumerate(segments[1:], start=1):
        last, remaining = steps[-1], segments[i:]
        is_entity = last.id is not None or (last.navigation is not None and not last.navigation.is_set)
        if remaining == ["$ref"]:
            return Resource(steps=steps, is_reference=True)
        if not is_entity:
            raise MissingError(
                f"{segment[:40]!r}: write the id of one of {last.entity.set_name}, as in ({1}), before it"
            )
        name, id_ = _parse_segment(segment) if not segment.startswith(("$", "@")) else (segment, None)
        navigation = last.entity.navigations.get(name)
        if navigation is None:
            return _parse_property(last.entity, steps, remaining)
        if id_ is not None and not navigation.is_set:
            raise MissingError(f"{name}: leads to one {navigation.target}, which takes no id here")
        steps.append(PathStep(entity=model.target_of(navigation), navigation=navigation, id=id_))
    return Resource(steps=steps)


def _parse_segment(segment: str) -> tuple[str, int | None]:
    match = _SEGMENT.fullmatch(segment)
    if match is None:
        raise MissingError(f"nothing is at {segment[:60]!r}")
    if match[2] is None:
        return match[1], None
    id_ = match[2].strip()
    if not (id_.isascii() and id_.isdecimal() and len(id_) < 20 and int(id_) <= _MAX_ID):
        raise MissingError(f"{match[1]}: no {id_[:40]!r}; ids are whole numbers")
    return match[1], int(id_)


def _parse_property(entity: EntityType, steps: Sequence[PathStep], segments: Sequence[str]) -> Resource:
    names = list(segments)
    is_value = names[-1] == "$value"
    if is_value:
        names.pop()
    name = "id" if names and names[0] == "@iot.id" else (names[0] if names else "$value")
    entity_property = entity.properties.get(name)
    if entity_property is None:
        available = ", ".join([*entity.properties, *entity.navigations])
        raise MissingError(f"{entity.name} has no {name[:40]!r}; it has: {available}")
    if len(names) > 1 and entity_property.kind is not Kind.JSON:
        raise MissingError(f"{entity_property.name} has no parts")
    return Resource(steps=steps, leaf=entity_property, parts=names[1:], is_value=is_value)
