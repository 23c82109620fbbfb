"""Preliminary marks that hold at present, and their way into live messages. Called by the pipeline after COMMIT.

A live message has all marks of its area, or no list of them. So a viewer or a replica of the API that missed one
is right again with the next. Marks are not stored: after a start they are derived from the stored states, as
`detection.preliminary` explains.
"""

from collections.abc import Sequence

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from gateway.detection.analyzer import AnalyzerState
from gateway.detection.detector import Detector
from gateway.detection.preliminary import PreliminaryMark, find_marks
from gateway.live.message import LiveMark, LiveMessage
from gateway.model.registry import Registry
from gateway.model.timestamps import from_ms

_MAX_MARKS = 100  # of one area in a message; if more rise, those with the highest confidence


class PresentMarks:
    """Marks of one gateway by slot. A failed transaction does not change them."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._by_slot: dict[int, PreliminaryMark] = {}
        self._stated_areas: set[str] = set()  # areas about which a message spoke since the load
        self._marked_areas: set[str] = set()  # areas whose last such message had marks
        self._load_number = 0

    def adopt_load(self, load_number: int, state: AnalyzerState) -> None:
        """Derive the marks from states that were just read from the database: slots and times may be others."""
        if load_number == self._load_number:
            return
        slots = np.arange(len(state.registry.datastreams))
        self._by_slot = {mark.rise.slot: mark for mark in find_marks(self._detector, state.detection, slots)}
        self._stated_areas, self._marked_areas, self._load_number = set(), set(), load_number

    def update(self, slots: NDArray[np.int64], marks: Sequence[PreliminaryMark]) -> None:
        """Replace what is known of the datastreams that had readings; only after COMMIT."""
        for slot in self._by_slot.keys() & set(slots.tolist()) if self._by_slot else ():
            del self._by_slot[slot]
        self._by_slot.update((mark.rise.slot, mark) for mark in marks)

    def attach(self, messages: Sequence[LiveMessage], registry: Registry, now_ms: int) -> list[LiveMessage]:
        """Return the messages with the marks of their areas that hold at `now_ms` (ms UTC)."""
        self._by_slot = {slot: mark for slot, mark in self._by_slot.items() if mark.rise.expires_at > now_ms}
        by_area: dict[str, list[PreliminaryMark]] = {}
        for mark in self._by_slot.values():
            station = registry.datastreams[mark.rise.slot].station
            by_area.setdefault(registry.stations[station].area, []).append(mark)
        return [self._attach_to(message, by_area.get(message.area, []), registry) for message in messages]

    def _attach_to(self, message: LiveMessage, marks: list[PreliminaryMark], registry: Registry) -> LiveMessage:
        if not marks and message.area in self._stated_areas and message.area not in self._marked_areas:
            return message
        self._stated_areas.add(message.area)
        self._marked_areas ^= {message.area} if bool(marks) != (message.area in self._marked_areas) else set()
        marks.sort(key=lambda mark: -mark.confidence)
        return structs.replace(message, marks=[_build_live_mark(mark, registry) for mark in marks[:_MAX_MARKS]])


def _build_live_mark(mark: PreliminaryMark, registry: Registry) -> LiveMark:
    rise = mark.rise
    datastream = registry.datastreams[rise.slot]
    return LiveMark(
        station=datastream.station,
        observed_property=datastream.observed_property,
        unit=registry.properties[datastream.observed_property].unit,
        since=from_ms(rise.since),
        observed_at=from_ms(rise.observed_at),
        excess=rise.excess,
        confidence=mark.confidence,
        expires_at=from_ms(rise.expires_at),
    )
