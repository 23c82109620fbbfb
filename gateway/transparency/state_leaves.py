"""Leaves of the states of the detector: rows of the database -> leaves, and the documents for a dossier. Pure."""

import zlib
from base64 import b64encode
from collections.abc import Sequence

from msgspec import Struct

from gateway.detection.stored_states import choose_parts, choose_states
from gateway.transparency.leaf import Leaf, LeafKind, hash_content
from gateway.transparency.logged_state import LoggedState
from gateway.transparency.sources import NewLeaf


class StateRow(Struct, frozen=True, kw_only=True):
    """A saved state: `ids` are its datastreams, `chosen` those of the area, both ascending by slot and id.

    `leaf`: index of the first batch of the area that the state has not seen.
    """

    detector: str
    leaf: int
    ids: list[int]
    chosen: list[int]
    quality: bytes
    detection: bytes


def describe_state(row: StateRow, area: str) -> NewLeaf:
    """Leaf of a state. Its document is not stored with the leaf: it follows from the saved state."""
    document = build_state(row.detector, area, (row.ids, row.quality, row.detection), row.chosen).encode()
    fields = row.detector, str(row.leaf)
    leaf = Leaf(kind=LeafKind.DETECTOR_STATE, fields=fields, content=hash_content(document.encode()))
    return NewLeaf(source=name_state(row.detector, row.leaf), leaf=leaf)


def name_state(detector: str, leaf: int) -> str:
    """Source of the leaf."""
    return f"detector-state {detector} {leaf}"


def build_state(
    detector: str, area: str, saved: tuple[Sequence[int], bytes, bytes], chosen: Sequence[int]
) -> LoggedState:
    """Document of the states of the chosen datastreams; a saved state may be of several areas.

    `saved`: ids, and the states of flagging and of detection, compressed. Raises ValueError if they do not fit.
    """
    ids, quality, detection = saved[0], zlib.decompress(saved[1]), zlib.decompress(saved[2])
    return LoggedState(
        detector=detector,
        area=area,
        ids=list(chosen),
        quality=b64encode(choose_parts(quality, ids, chosen)).decode(),
        detection=b64encode(choose_states(detection, ids, chosen)).decode(),
    )
