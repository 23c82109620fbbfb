"""Which of several gateways writes for which area: what to take, what to hand over. Pure.

Every worker works this out from the same table, so they agree without talking. Areas stay where they
are as long as nobody has much more to do than another; an area weighs as many nodes as it has.
"""

from collections.abc import Mapping
from dataclasses import dataclass

_TOLERATED_IMBALANCE = 0.1  # of a fair share: below such a difference nothing moves


@dataclass(frozen=True, kw_only=True)
class LeaseTable:
    """The table at one moment: live workers, areas with their nodes, and who holds which."""

    workers: frozenset[str]
    node_counts: Mapping[str, int]
    holder_by_area: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class LeasePlan:
    """What one worker does now: `begin` and `give` go through the table, `lost` are somebody else's already."""

    start: frozenset[str]
    release: frozenset[str]
    lost: frozenset[str]


def plan_changes(table: LeaseTable, worker_id: str, running: frozenset[str]) -> LeasePlan:
    """What `me`, who now takes in `running`, has to change. What another still holds is waited for."""
    assigned = frozenset(area for area, worker in assign_areas(table).items() if worker == worker_id)
    held_areas = frozenset(area for area, worker in table.holder_by_area.items() if worker == worker_id)
    free_areas = table.node_counts.keys() - table.holder_by_area.keys()
    return LeasePlan(
        start=assigned & (free_areas | held_areas) - running, release=held_areas - assigned, lost=running - held_areas
    )


def assign_areas(table: LeaseTable) -> dict[str, str]:
    """Area -> worker, with as few moves as it takes; empty without workers."""
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
    """The area whose move from the busiest to the idlest worker levels them best; None where none helps."""
    busiest = max(load, key=lambda worker: (load[worker], worker))
    difference = load[busiest] - load[_least_loaded(load)]
    if difference <= _TOLERATED_IMBALANCE * sum(load.values()) / len(load):
        return None
    candidates = [area for area, worker in owner.items() if worker == busiest and weight[area] < difference]
    return min(candidates, key=lambda area: (abs(2 * weight[area] - difference), area), default=None)
