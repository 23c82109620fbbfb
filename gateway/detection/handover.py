"""Handover from another version or other settings of the detector: its states go on, its open events end. Pure.

Ingest calls it when it loads the stored states. The name of a detector holds its version and a hash of its settings.
Without a handover a detector of another name would begin without a background, even in the middle of a plume. The open
events of the one before would never end.

Background, noise and the CUSUM statistic continue. A plume that is under way is therefore an event of the new detector
with its next high reading. Ids hold the name of the detector, so the event of the one before ends at its last reading,
with the reason `detector_replaced`.
"""

import re
from collections.abc import Mapping
from datetime import datetime

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from gateway.detection.confidence import ConfidenceReason
from gateway.detection.kernels.baseline import MAX_COUNT
from gateway.detection.records import WIND
from gateway.detection.stored_states import STATE
from gateway.detection.summary import summarize_event
from gateway.model.event import Event, EventChange
from gateway.model.registry import Registry
from gateway.model.timestamps import from_ms

_NAME = re.compile(r"peak@(\d+)#")
_END_REASON = ConfidenceReason.DETECTOR_REPLACED.value

_Fields = Mapping[str, tuple[str | np.dtype[np.void], int]]  # name -> type, place in the bytes

# States of former versions: what continues of them, each field with its type and its place in the bytes.
_CONTINUED_BY_5: _Fields = {
    "at": ("i8", 0), "residual": ("f8", 8), "background": ("f8", 16), "variance": ("f8", 24), "cusum": ("f8", 32),
    "gain": ("f4", 40), "first_at": ("i8", 48), "count": ("i4", 56), "rise_at": ("i8", 64),
    "rise_background": ("f8", 72), "readings": ("i4", 80), "humid_readings": ("i4", 84), "flags": ("i4", 88),
    "twin_agreements": ("i2", 92), "twin_disagreements": ("i2", 94), "wind_east": ("f4", 96),
    "wind_north": ("f4", 100), "wind_speed": ("f4", 104), "wind_readings": ("i4", 108), "peak_at": ("i8", 136),
    "group_reading_count": ("i8", 272), "group_at": ("i8", 288), "wind": (WIND, 400),
}  # fmt: skip
_CONTINUED_BY_6: _Fields = {
    "at": ("i8", 0), "residual": ("f8", 8), "background": ("f8", 16), "variance": ("f8", 24), "cusum": ("f8", 32),
    "gain": ("f4", 48), "first_at": ("i8", 40), "count": ("i4", 56), "rise_at": ("i8", 64),
    "rise_background": ("f8", 72), "readings": ("i2", 80), "humid_readings": ("i2", 82), "flags": ("i4", 84),
    "twin_agreements": ("i2", 88), "twin_disagreements": ("i2", 90), "wind_east": ("f4", 96),
    "wind_north": ("f4", 100), "wind_speed": ("f4", 104), "wind_readings": ("i4", 108), "peak_at": ("i8", 128),
    "group_reading_count": ("i8", 272), "group_at": ("i8", 288), "wind": (WIND, 408), "gap_ms": ("i4", 52),
    "resumed_seconds": ("i4", 236), "rose_at": ("i8", 240), "rose_ms": ("i4", 248), "rose_before_ms": ("i4", 252),
}  # fmt: skip


def _layout(fields: _Fields, itemsize: int) -> np.dtype[np.void]:
    formats, offsets = zip(*fields.values(), strict=True)
    return np.dtype({"itemsize": itemsize, "names": list(fields), "formats": list(formats), "offsets": list(offsets)})


_SAME_LAYOUT = {7}  # versions whose states have today's fields
_FORMER_STATES = {5: _layout(_CONTINUED_BY_5, 432), 6: _layout(_CONTINUED_BY_6, 440)}


def adopt_states(name: str, stored: Mapping[str, Mapping[int, bytes]]) -> dict[int, bytes]:
    """Return the newest state of each slot for the detector `name`.

    stored: name of a detector -> slot -> state. A state of another name goes on without its open event. States of
    versions before 5 are left out. Of two equally new ones that of `name` counts.
    """
    adopted: dict[int, tuple[tuple[int, bool], bytes]] = {}
    for other, states in stored.items():
        for slot, state in states.items():
            usable = state if other == name else _convert(other, name, state)
            if usable is None:
                continue
            rank = int(np.frombuffer(usable, STATE)["stream"]["at"][0]), other == name
            if slot not in adopted or rank > adopted[slot][0]:
                adopted[slot] = rank, usable
    return {slot: state for slot, (_, state) in adopted.items()}


def _convert(other: str, name: str, state: bytes) -> bytes | None:
    """Return the state of the detector `other` for `name`, without an open event; None if its version is unknown."""
    versions = _version_of(other), _version_of(name)
    if versions[0] in {versions[1], *_SAME_LAYOUT} and len(state) == STATE.itemsize:
        return _close(np.frombuffer(state, STATE).copy())
    former = _FORMER_STATES.get(versions[0] or 0)
    if former is not None and len(state) == former.itemsize:
        return _close(_continue_former(np.frombuffer(state, former)[0]))
    return None


def _version_of(name: str) -> int | None:
    match = _NAME.match(name)
    return int(match[1]) if match else None


def _close(states: NDArray[np.void]) -> bytes:
    """Return the state without an open event, episode or outlier."""
    states["stream"]["revision"] = 0
    states["stream"]["outlier_count"] = 0
    states["group"]["revision"] = 0
    states["group"]["silent_at"] = 0
    return states.tobytes()


def _continue_former(former: np.void) -> NDArray[np.void]:
    states = np.zeros(1, STATE)
    for part in ("stream", "event"):
        for field in set(former.dtype.names or ()) & set(states[part].dtype.names or ()):
            states[part][field] = min(former[field], MAX_COUNT) if field in _COUNTS else former[field]
    states["group"]["reading_count"], states["group"]["at"] = former["group_reading_count"], former["group_at"]
    states["wind"] = former["wind"]
    return states


_COUNTS = {"readings", "humid_readings", "wind_readings"}  # narrower since versions 6 and 7


def last_reading_at(state: bytes) -> datetime:
    """Return the time of the last reading of a stored state, of any version."""
    return from_ms(int.from_bytes(state[:8], "little", signed=True))


def end_event(event: Event, last_at: datetime, registry: Registry) -> Event:
    """Return the closing revision of an open event of another detector, whose last reading was at `last_at`."""
    ended = replace(
        event,
        revision=event.revision + 1,
        change=EventChange.ENDED,
        end=max(last_at, event.onset, event.peak_at),
        reasons=(*event.reasons, _END_REASON),
        state_hash="",
    )
    return replace(ended, words=summarize_event(ended, registry))
