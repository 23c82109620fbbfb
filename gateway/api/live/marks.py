"""Preliminary marks that hold at present, per area, as the newest live messages had them. Pure; owned by one hub.

A message has all marks of its area, so nothing has to be replayed. A mark that no message confirms ends by itself: the
gateway may have stopped.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from gateway.api.data.registry import StationRow
from gateway.api.live.frames import Subscription
from gateway.api.schemas.preliminary import PreliminaryPeak, build_preliminary_peak
from gateway.live.message import LiveMark

Marks = tuple[PreliminaryPeak, ...]


class AreaMarks:
    """Marks of all areas."""

    def __init__(self) -> None:
        self._by_area: dict[str, list[tuple[datetime, PreliminaryPeak]]] = {}

    def replace(self, area: str, marks: Sequence[LiveMark], stations: Mapping[str, StationRow]) -> None:
        """Replace the marks of an area. A station that is not in `stations` is named by its id."""
        self._by_area.pop(area, None)
        if marks:
            self._by_area[area] = [
                (mark.expires_at, build_preliminary_peak(mark, area, _name_of(mark.station, stations)))
                for mark in marks
            ]

    def drop_expired(self, now: datetime) -> bool:
        """Remove marks that no longer hold; whether there were any."""
        current = {
            area: [(expires_at, peak) for expires_at, peak in rows if expires_at > now]
            for area, rows in self._by_area.items()
        }
        has_changed = any(len(current[area]) < len(rows) for area, rows in self._by_area.items())
        self._by_area = {area: rows for area, rows in current.items() if rows}
        return has_changed

    def clear(self) -> None:
        """Forget all: messages were lost."""
        self._by_area.clear()

    def select(self, subscription: Subscription) -> Marks:
        """The marks that a viewer of this subscription gets."""
        return tuple(
            peak
            for area, rows in self._by_area.items()
            for _, peak in rows
            if subscription.matches(area, peak.station, peak.observed_property)
        )


def _name_of(station: str, stations: Mapping[str, StationRow]) -> str:
    row = stations.get(station)
    return station if row is None else row.name
