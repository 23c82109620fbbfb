"""Who is whose neighbour: the datastreams of one property in one area."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gateway.registry import Registry


@dataclass(frozen=True, kw_only=True)
class Neighbourhoods:
    """group_of (m,): the group of each slot; the slots of group g stand at members[begins[g]:begins[g + 1]]."""

    group_of: NDArray[np.int32]
    members: NDArray[np.int32]
    begins: NDArray[np.int64]

    def each(self) -> Iterator[NDArray[np.int32]]:
        """The members of each group in turn."""
        for begin, end in zip(self.begins[:-1], self.begins[1:], strict=True):
            yield self.members[begin:end]


@lru_cache(maxsize=8)
def neighbourhoods(registry: Registry) -> Neighbourhoods:
    """The groups of a registry; remembered, because a registry never changes."""
    keys = [(registry.stations[d.station].area, d.observed_property) for d in registry.datastreams]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    group_of = np.array([numbers[key] for key in keys], np.int32)
    members = np.argsort(group_of, kind="stable").astype(np.int32)
    begins = np.searchsorted(group_of[members], np.arange(len(numbers) + 1))
    return Neighbourhoods(group_of=group_of, members=members, begins=begins)
