"""Which of several gateways writes for which area: what to take, what to hand over. Pure.

Every worker works this out from the same table, so they agree without talking. Areas stay where they
are as long as nobody has much more to do than another; an area weighs as many nodes as it has.
"""

from collections.abc import Mapping
from dataclasses import dataclass

_CLOSE_ENOUGH = 0.1  # of a fair share: below such a difference nothing moves


@dataclass(frozen=True, kw_only=True)
class Shares:
    """The table at one moment: live workers, areas with their nodes, and who holds which."""

    workers: frozenset[str]
    nodes: Mapping[str, int]
    holders: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What one worker does now: `begin` and `give` go through the table, `lost` are somebody else's already."""

    begin: frozenset[str]
    give: frozenset[str]
    lost: frozenset[str]


def decide(shares: Shares, me: str, running: frozenset[str]) -> Plan:
    """What `me`, who now takes in `running`, has to change. What another still holds is waited for."""
    wanted = frozenset(area for area, worker in fair(shares).items() if worker == me)
    held = frozenset(area for area, worker in shares.holders.items() if worker == me)
    free = shares.nodes.keys() - shares.holders.keys()
    return Plan(begin=wanted & (free | held) - running, give=held - wanted, lost=running - held)


def fair(shares: Shares) -> dict[str, str]:
    """Area -> worker, with as few moves as it takes; empty without workers."""
    if not shares.workers:
        return {}
    owner = {area: worker for area, worker in shares.holders.items() if worker in shares.workers}
    weight = {area: count + 1 for area, count in shares.nodes.items()}
    load = dict.fromkeys(shares.workers, 0)
    for area, worker in owner.items():
        load[worker] += weight[area]
    for area in sorted(weight.keys() - owner.keys(), key=lambda area: (-weight[area], area)):
        owner[area] = _least(load)
        load[owner[area]] += weight[area]
    while (moving := _to_move(owner, weight, load)) is not None:
        load[owner[moving]] -= weight[moving]
        owner[moving] = _least(load)
        load[owner[moving]] += weight[moving]
    return owner


def _least(load: Mapping[str, int]) -> str:
    return min(load, key=lambda worker: (load[worker], worker))


def _to_move(owner: Mapping[str, str], weight: Mapping[str, int], load: Mapping[str, int]) -> str | None:
    """The area whose move from the busiest to the idlest worker levels them best; None where none helps."""
    busiest = max(load, key=lambda worker: (load[worker], worker))
    difference = load[busiest] - load[_least(load)]
    if difference <= _CLOSE_ENOUGH * sum(load.values()) / len(load):
        return None
    helping = [area for area, worker in owner.items() if worker == busiest and weight[area] < difference]
    return min(helping, key=lambda area: (abs(2 * weight[area] - difference), area), default=None)
