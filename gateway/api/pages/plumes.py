"""Peaks of one plume at one station as one: five properties that rise together are one thing to a resident."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from gateway.api.pages.renderer import SHOWN

_TOGETHER = timedelta(minutes=2)
_SEVERITIES = ("minor", "moderate", "severe", "extreme")


@dataclass(kw_only=True)
class Group:
    """What is shown of it: the most severe, and the others beside it."""

    members: list[dict[str, Any]] = field(default_factory=list)

    @property
    def main(self) -> dict[str, Any]:
        """The most severe; of equals the one that people know best."""
        return min(self.members, key=_rank)

    @property
    def others(self) -> list[dict[str, Any]]:
        """In the same order."""
        return sorted(self.members, key=_rank)[1:]

    def holds(self, event: dict[str, Any]) -> bool:
        """Whether this belongs to it: same station and kind, over or not alike, begun within two minutes.

        And another property: what rises again is another peak.
        """
        first = self.members[0]
        alike = all(first[name] == event[name] for name in ("station", "kind"))
        again = any(one["observedProperty"] == event["observedProperty"] for one in self.members)
        return alike and not again and _over(first) == _over(event) and self.apart(event) <= _TOGETHER

    def apart(self, event: dict[str, Any]) -> timedelta:
        """Time between the beginnings."""
        return abs(datetime.fromisoformat(self.members[0]["onset"]) - datetime.fromisoformat(event["onset"]))


def grouped(found: list[dict[str, Any]]) -> list[Group]:
    """In the order of their newest members, as they were given."""
    out: list[Group] = []
    for event in found:
        there = min((one for one in out if one.holds(event)), key=lambda one: one.apart(event), default=None)
        if there is None:
            out.append(Group(members=[event]))
        else:
            there.members.append(event)
    return out


def _over(event: dict[str, Any]) -> tuple[bool, bool]:
    return event["end"] is not None, event["change"] == "voided"


def _rank(event: dict[str, Any]) -> tuple[int, int]:
    name = event["observedProperty"]
    return -_SEVERITIES.index(event["severity"]), SHOWN.index(name) if name in SHOWN else len(SHOWN)
