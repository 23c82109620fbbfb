"""Leaves of the states of the detector: rows of the database -> leaves, and the documents for a dossier. Pure."""

import zlib
from base64 import b64encode
from collections.abc import Sequence

from msgspec import Struct

from gateway.detection.stored_states import choose_parts, choose_states
from gateway.transparency.leaf import Leaf, LeafKind, hash_content
from gateway.transparency.logged_state import LoggedState
from gateway.transparency.sources import NewLeaf


class StatePlace(Struct, frozen=True, kw_only=True):
    """Id of a saved state, and of the first batch of the area that it has not seen."""

    id: int
    first_batch: int


class StateRow(Struct, frozen=True, kw_only=True):
    """A saved state: `ids` are its datastreams, `chosen` those of the area, both ascending by slot and id."""

    detector: str
    ids: list[int]
    chosen: list[int]
    quality: bytes
    detection: bytes


def hash_state(row: StateRow, area: str) -> str:
    """Hash of the document of a state. Raises ValueError for one of a version of the detector with other records."""
    document = build_state(row.detector, area, (row.ids, row.quality, row.detection), row.chosen).encode()
    return hash_content(document.encode())


def describe_state(detector: str, first_leaf: int, content: str) -> NewLeaf:
    """Leaf of a state. `first_leaf`: index of the first batch of the area that it has not seen; `content`: its hash.

    Its document is not stored with the leaf: it follows from the saved state.
    """
    leaf = Leaf(kind=LeafKind.DETECTOR_STATE, fields=(detector, str(first_leaf)), content=content)
    return NewLeaf(source=name_state(detector, first_leaf), leaf=leaf)


def name_state(detector: str, leaf: int) -> str:
    """Source of the leaf."""
    return f"detector-state {detector} {leaf}"


def build_state(
    detector: str, area: str, saved: tuple[Sequence[int], bytes, bytes], chosen: Sequence[int]
) -> LoggedState:
    """Document of the states of the chosen datastreams; a saved state may be of several areas.

    `saved`: ids, and the states of flagging and of detection, compressed. Raises ValueError if they do not fit.
    """
    ids = saved[0]
    try:
        quality, detection = zlib.decompress(saved[1]), zlib.decompress(saved[2])
    except zlib.error as error:
        raise ValueError(f"the saved state is damaged: {error}") from None
    return LoggedState(
        detector=detector,
        area=area,
        ids=list(chosen),
        quality=b64encode(choose_parts(quality, ids, chosen)).decode(),
        detection=b64encode(choose_states(detection, ids, chosen)).decode(),
    )
