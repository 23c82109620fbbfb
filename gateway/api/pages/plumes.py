"""Group the peaks of one plume at one station: five properties that rise together are one event to a resident. Pure."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from alerting.alert import Severity
from gateway.model.properties import SHOWN_PROPERTIES

_MAX_ONSET_DISTANCE = timedelta(minutes=2)


@dataclass(kw_only=True)
class Plume:
    """The peaks of one plume, as documents of the API."""

    members: list[dict[str, Any]] = field(default_factory=list)

    @property
    def main(self) -> dict[str, Any]:
        """The most severe peak; of equals the property that comes first on the pages."""
        return min(self.members, key=_rank)

    @property
    def others(self) -> list[dict[str, Any]]:
        """The other peaks, in the same order."""
        return sorted(self.members, key=_rank)[1:]

    def matches(self, event: dict[str, Any]) -> bool:
        """Whether a peak belongs to the plume: same station, kind and end state, and an onset within two minutes.

        Its property must be a new one: a second peak of the same property is another plume.
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
        """Time between the onset of a peak and that of the plume's first member."""
        return abs(datetime.fromisoformat(self.members[0]["onset"]) - datetime.fromisoformat(event["onset"]))


def group_into_plumes(events: list[dict[str, Any]]) -> list[Plume]:
    """The plumes of a list of peaks, newest first, in the order of their first members."""
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
    position = SHOWN_PROPERTIES.index(name) if name in SHOWN_PROPERTIES else len(SHOWN_PROPERTIES)
    return -Severity(event["severity"]).rank, position
