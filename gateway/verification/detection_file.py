"""Detection files: everything from which the detector gives events again, in lines of JSON.

    {"format": "piekwacht/detection@v1", "area": ..., "events": [...], "state": {...}, "leaf_count": 2, ...}
    {"signed": ..., "received_at": ...}
    {"entry": ...}

The first line is the header, each other line a leaf of the log. So neither the writer nor a verifier has a file in
memory. The dossier of an event has one, that of a period one for all events that follow the same saved state.
`piekwacht verify` runs the detector over the signed batches in it, from the state before them, and compares the result
with the events in the log. docs/proof-format.md describes the fields. Nothing is verified here: a file that can be read
may still be false in every line.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from edge_agent.signing import NoteError, decode_base64
from gateway.transparency.errors import ProofError
from gateway.transparency.strict_json import load_json
from gateway.verification.evidence_file import MAX_ITEMS, LoggedDocument, LoggedLeaf

FILE_ENDING = ".piekwacht-detection.json"
MAX_DETECTION_BYTES = 1_073_741_824
MAX_LEAVES = 1_000_000  # 27 hours of an area of 100 nodes with a batch in 10 s
_MAX_HEADER_BYTES = 67_108_864
_MAX_LEAF_BYTES = 1_048_576

ReadParts = Callable[[], Iterator[bytes]]
"""() -> the bytes of a file in parts, from its begin; called once for each reading."""

T = TypeVar("T")
_START = b'{"format":"piekwacht/detection@'


class PlacedStation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A station with a datastream. Its position is in degrees, WGS 84, as the detector used it."""

    id: str
    area: str
    name: str
    latitude: float
    longitude: float


class PlacedSite(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A watched facility of the area, which an event may name as upwind. Its position is in degrees, WGS 84."""

    id: str
    name: str
    latitude: float
    longitude: float


class NamedProperty(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Names of an observed property in the sentences of events, in Dutch and English."""

    id: str
    name_nl: str
    name_en: str


class DetectedStream(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One observed property of one node at one station. `id`: the number by which the state names it."""

    id: int
    station: str
    node: str
    observed_property: str


class DetectedRegistry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Registry of the area as the detector had it, without limits and levels: these stand in the log."""

    stations: Annotated[list[PlacedStation], Meta(max_length=MAX_LEAVES)]
    sites: Annotated[list[PlacedSite], Meta(max_length=MAX_LEAVES)]
    properties: Annotated[list[NamedProperty], Meta(max_length=MAX_ITEMS)]
    datastreams: Annotated[list[DetectedStream], Meta(max_length=MAX_LEAVES)]


class StartState(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The state from which the detector continues. `document`: `LoggedState` as canonical JSON.

    `logged`: the leaf with its hash and the proof of it; None if the log has none.
    """

    document: str
    logged: LoggedLeaf | None = None


class DetectionLeaf(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A leaf of the log. Of a batch: its signed bytes in base64, the time of arrival, and whether it came late.

    Of anything else: the text of the leaf.
    """

    entry: str | None = None
    signed: str | None = None
    received_at: Annotated[datetime, Meta(tz=True)] | None = None
    late: bool = False

    def decode_signed(self) -> bytes:
        """Signed bytes of a batch. Raises ProofError unless the base64 is written in its only form."""
        return _decode(self.signed or "", "the signed bytes of a batch")


class RepeatedEvent(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One event: its revisions, oldest first. `last_leaf`: index of the last batch that the newest revision needs."""

    revisions: Annotated[list[LoggedDocument], Meta(min_length=1, max_length=MAX_ITEMS)]
    last_leaf: Annotated[int, Meta(ge=0)]


class DetectionHeader(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """First line of a detection file. The fields are written in this order.

    `events`: events of one detector. The file has `leaf_count` leaves of the log from index `first_leaf` on, all that
    the log has there. `range_proof`: the hashes that lead from them to the root of `checkpoint`, in base64.
    """

    format: Literal["piekwacht/detection@v1"] = "piekwacht/detection@v1"
    area: str
    policy: str
    events: Annotated[list[RepeatedEvent], Meta(min_length=1, max_length=MAX_ITEMS)]
    detector: LoggedDocument
    ranges: LoggedDocument
    node_keys: Annotated[list[LoggedLeaf], Meta(max_length=MAX_LEAVES)]
    registry: DetectedRegistry
    state: StartState
    first_leaf: Annotated[int, Meta(ge=0)]
    leaf_count: Annotated[int, Meta(ge=1, le=MAX_LEAVES)]
    range_proof: Annotated[list[str], Meta(max_length=128)]
    checkpoint: str


def encode_line(item: DetectionHeader | DetectionLeaf) -> bytes:
    """One line of a detection file."""
    return msgspec.json.encode(item) + b"\n"


class DetectionReader:
    """A detection file of a stranger: the header, and the leaves one after the other. All is read strictly."""

    def __init__(self, read_parts: ReadParts) -> None:
        """Read the header. Raises ProofError with the reason in one sentence."""
        self._read_parts = read_parts
        line = next(_split_lines(read_parts()), b"")
        self.header = _convert(line, DetectionHeader, "the detection file")

    def iterate_leaves(self) -> Iterator[DetectionLeaf]:
        """Yield every leaf. Raises ProofError for one that cannot be read, or if there are more or fewer."""
        lines = _split_lines(self._read_parts())
        next(lines, None)
        count, expected = 0, self.header.leaf_count
        for line in lines:
            count += 1
            if count > expected:
                break
            yield _convert(line, DetectionLeaf, f"leaf {self.header.first_leaf + count - 1} of the detection file")
        if count != expected:
            more = "more" if count > expected else f"{count}"
            raise ProofError(f"the detection file states {expected} leaves and has {more}")


def _split_lines(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Lines of bounded length; the last one ends in a newline, too. Raises ProofError."""
    rest, total, limit = b"", 0, _MAX_HEADER_BYTES
    for part in parts:
        total += len(part)
        if total > MAX_DETECTION_BYTES:
            raise ProofError(f"the detection file has more than {MAX_DETECTION_BYTES} bytes")
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            if len(line) > limit:
                raise ProofError(f"a line of the detection file has more than {limit} bytes")
            yield line
            limit = _MAX_LEAF_BYTES
        if len(rest) > limit:
            raise ProofError(f"a line of the detection file has more than {limit} bytes")
    if rest:
        raise ProofError("the detection file cannot be read: it ends within a line")


def is_detection_file(content: bytes) -> bool:
    """Whether these bytes begin as a detection file."""
    return content.startswith(_START)


def _convert(content: bytes, kind: type[T], name: str) -> T:
    try:
        return msgspec.convert(load_json(content), kind)
    except (ProofError, msgspec.ValidationError) as error:
        raise ProofError(f"{name} cannot be read: {error}") from None


def _decode(text: str, name: str) -> bytes:
    try:
        return decode_base64(text)
    except NoteError as error:
        raise ProofError(f"{name}: {error}") from None
