"""Peaks of one plume at one station as one: five properties that rise together are one thing to a resident."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from gateway.model.properties import SHOWN_PROPERTIES

_MAX_ONSET_DISTANCE = timedelta(minutes=2)
_SEVERITIES = ("minor", "moderate", "severe", "extreme")


@dataclass(kw_only=True)
class Plume:
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

    def matches(self, event: dict[str, Any]) -> bool:
        """Whether this belongs to it: same station and kind, over or not alike, begun within two minutes.

        And another property: what rises again is another peak.
        """
        first = self.members[0]
        same_place = all(first[name] == event[name] for name in ("station", "kind"))
        same_property = any(member["observedProperty"] == event["observedProperty"] for member in self.members)
        return (
            same_place
            and not same_property
            and _end_state(first) == _end_state(event)
            and self.onset_distance(event) <= _MAX_ONSET_DISTANCE
        )

    def onset_distance(self, event: dict[str, Any]) -> timedelta:
        """Time between the beginnings."""
        return abs(datetime.fromisoformat(self.members[0]["onset"]) - datetime.fromisoformat(event["onset"]))


def group_into_plumes(events: list[dict[str, Any]]) -> list[Plume]:
    """In the order of their newest members, as they were given."""
    plumes: list[Plume] = []
    for event in events:
        nearest = min(
            (plume for plume in plumes if plume.matches(event)),
            key=lambda plume: plume.onset_distance(event),
            default=None,
        )
        if nearest is None:
            plumes.append(Plume(members=[event]))
        else:
            nearest.members.append(event)
    return plumes


def _end_state(event: dict[str, Any]) -> tuple[bool, bool]:
    return event["end"] is not None, event["change"] == "voided"


def _rank(event: dict[str, Any]) -> tuple[int, int]:
    name = event["observedProperty"]
    return -_SEVERITIES.index(event["severity"]), SHOWN_PROPERTIES.index(name) if name in SHOWN_PROPERTIES else len(
        SHOWN_PROPERTIES
    )
