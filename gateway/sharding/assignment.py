"""Assigns areas to workers: which areas a worker starts and which it releases. Pure.

Every worker computes the assignment from the same table, so that they agree without messages. Areas move only if one
worker has much more load than another; the weight of an area is its number of nodes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

_TOLERATED_IMBALANCE = 0.1  # of the mean load; at smaller differences no area moves


@dataclass(frozen=True, kw_only=True)
class LeaseTable:
    """Live workers, number of nodes per area, and the lease holder per area, at one moment."""

    workers: frozenset[str]
    node_counts: Mapping[str, int]
    holder_by_area: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class LeasePlan:
    """Changes for one worker: leases to take and to release; `lost` areas belong to another worker already."""

    start: frozenset[str]
    release: frozenset[str]
    lost: frozenset[str]


def plan_changes(table: LeaseTable, worker_id: str, running: frozenset[str]) -> LeasePlan:
    """Plan the changes of a worker that now ingests `running`. It waits for areas that another still holds."""
    assigned = frozenset(area for area, worker in assign_areas(table).items() if worker == worker_id)
    held_areas = frozenset(area for area, worker in table.holder_by_area.items() if worker == worker_id)
    free_areas = table.node_counts.keys() - table.holder_by_area.keys()
    return LeasePlan(
        start=assigned & (free_areas | held_areas) - running, release=held_areas - assigned, lost=running - held_areas
    )


def assign_areas(table: LeaseTable) -> dict[str, str]:
    """Return area -> worker with as few moves as possible; empty without workers."""
    if not table.workers:
        return {}
    owner = {area: worker for area, worker in table.holder_by_area.items() if worker in table.workers}
    weight = {area: count + 1 for area, count in table.node_counts.items()}
    load = dict.fromkeys(table.workers, 0)
    for area, worker in owner.items():
        load[worker] += weight[area]
    for area in sorted(weight.keys() - owner.keys(), key=lambda area: (-weight[area], area)):
        owner[area] = _least_loaded(load)
        load[owner[area]] += weight[area]
    while (moved_area := _pick_move(owner, weight, load)) is not None:
        load[owner[moved_area]] -= weight[moved_area]
        owner[moved_area] = _least_loaded(load)
        load[owner[moved_area]] += weight[moved_area]
    return owner


def _least_loaded(load: Mapping[str, int]) -> str:
    return min(load, key=lambda worker: (load[worker], worker))


def _pick_move(owner: Mapping[str, str], weight: Mapping[str, int], load: Mapping[str, int]) -> str | None:
    """Return the area whose move from the busiest to the idlest worker balances them best; None if no move helps."""
    busiest = max(load, key=lambda worker: (load[worker], worker))
    difference = load[busiest] - load[_least_loaded(load)]
    if difference <= _TOLERATED_IMBALANCE * sum(load.values()) / len(load):
        return None
    candidates = [area for area, worker in owner.items() if worker == busiest and weight[area] < difference]
    return min(candidates, key=lambda area: (abs(2 * weight[area] - difference), area), default=None)
