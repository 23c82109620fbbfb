"""Classes of published indices of air quality from means over an hour, read from indices.toml on import. Pure.

An index is that of the worst of its substances. A station that measures only particulate matter has a sub-index of it
and never the index: the gases of the index could be worse.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct

from edge_agent.configuration import load_toml
from gateway.assessment.levels import LevelTitle, Text


class ClassNames(Struct, frozen=True, kw_only=True):
    """Names of the classes of an index in both languages, from the best."""

    nl: Sequence[str]
    en: Sequence[str]


class AirQualityIndex(Struct, frozen=True, kw_only=True):
    """An index; indices.toml explains each field."""

    id: Text
    title: LevelTitle
    closed: Literal["lower", "upper"]
    classes: ClassNames
    edges: Mapping[str, Sequence[float]]
    source: Text
    edition: Text
    published: Text


class IndexClass(Struct, frozen=True, kw_only=True):
    """The class of an index from the substances of `values`. `number`: 1 is the best; `substance`: the worst one.

    is_whole  all substances of the index were measured; otherwise it is a sub-index of those in `substances`
    """

    index: AirQualityIndex
    number: int
    substance: str
    substances: Sequence[str]
    is_whole: bool


class _IndexFile(Struct, frozen=True, kw_only=True):
    index: list[AirQualityIndex]


INDICES: Sequence[AirQualityIndex] = tuple(load_toml(Path(__file__).with_name("indices.toml"), _IndexFile).index)


def classify_hour(index: AirQualityIndex, values: Mapping[str, float]) -> IndexClass | None:
    """Return the class of means over one hour, in ug/m3 by substance; None if the index has none of these."""
    numbers = {name: _find_class(index, name, value) for name, value in values.items() if name in index.edges}
    if not numbers:
        return None
    worst = max(numbers, key=lambda name: numbers[name])
    return IndexClass(
        index=index,
        number=numbers[worst],
        substance=worst,
        substances=sorted(numbers),
        is_whole=numbers.keys() >= index.edges.keys(),
    )


def _find_class(index: AirQualityIndex, substance: str, value: float) -> int:
    find = bisect_right if index.closed == "lower" else bisect_left
    return find(index.edges[substance], value) + 1
