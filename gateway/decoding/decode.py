"""From MQTT payloads to observations: verify, decode once, strictly, and place in datastreams.

Pure. What cannot be believed or read becomes a Rejected with a reason, never an exception: it goes
to quarantine and blocks nothing that comes after it.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import chain, repeat

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_agent.wire import ClockState, Flag, ForgedError, MalformedError, NoteError, ReadingBatch, Topic, UnsignedError
from gateway.decoding.rejection import RejectionReason
from gateway.decoding.signature import is_valid_signature
from gateway.model.observation import FlagArray, FloatArray, IntArray, ObservationBatch
from gateway.model.registry import Node, Registry

_EARLIEST_MS = -2_208_988_800_000  # 1900-01-01, ms: before it a stamp is no time at all
_LATEST_MS = 7_258_118_400_000  # 2200-01-01
_EARLIEST_PLAUSIBLE_MS = 1_420_070_400_000  # 2015-01-01: an older stamp is a clock that was never set
_MAX_AHEAD_MS = 120_000  # a stamp this far in the future is a wrong clock, ms
_MAX_BODY_BYTES = 1 << 20


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """One MQTT message on a `readings` topic."""

    topic: str
    body: bytes
    received_at: datetime
    replayed: bool = False  # from quarantine: as late as a batch from the backlog


@dataclass(frozen=True, kw_only=True)
class RejectedPayload:
    """A payload for quarantine. `key` is known, and counts as received, where its signature was good."""

    payload: Payload
    reason: RejectionReason
    detail: str
    key: tuple[str, str, int] | None = None


class BatchHeader(msgspec.Struct, frozen=True):
    """What a verified batch says of itself, without its values: all that ledger, clocks and log go by.

    first      its earliest stamp, ms UTC
    readings   how many it holds
    late       from the backlog lane, or from quarantine: stored, and never detected on as if it came now
    missing    known properties that have no datastream yet
    strange    properties that nobody knows
    """

    payload: Payload
    sha256: bytes
    node: str
    inc: str
    seq: int
    boot: str
    mono: int
    clock: ClockState
    t0: int
    earliest_ms: int
    readings: int
    late: bool
    unplaced_properties: tuple[str, ...] = ()
    unknown_properties: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str, int]:
        """(node, incarnation, seq): unique for ever."""
        return self.node, self.inc, self.seq


@dataclass(frozen=True, kw_only=True)
class VerifiedBatch:
    """A payload whose signature fits and whose text could be read."""

    payload: Payload
    batch: ReadingBatch
    sha256: bytes

    @property
    def key(self) -> tuple[str, str, int]:
        """(node, incarnation, seq): unique for ever."""
        return self.batch.node, self.batch.inc, self.batch.seq

    @property
    def late(self) -> bool:
        """From the backlog lane, or from quarantine."""
        return self.batch.hist or self.payload.replayed

    def build_header(self, registry: Registry) -> BatchHeader:
        """As this registry knows its properties."""
        batch, properties = self.batch, registry.properties
        return BatchHeader(
            payload=self.payload,
            sha256=self.sha256,
            node=batch.node,
            inc=batch.inc,
            seq=batch.seq,
            boot=batch.boot,
            mono=batch.mono,
            clock=batch.clock,
            t0=batch.t0,
            earliest_ms=batch.t0 + min(batch.dt),
            readings=len(batch.dt),
            late=self.late,
            unplaced_properties=tuple(
                p for p in batch.values if (batch.node, p) not in registry.slots and p in properties
            ),
            unknown_properties=tuple(sorted(p for p in batch.values if p not in properties)),
        )


def decode_payload(payload: Payload, registry: Registry) -> VerifiedBatch | RejectedPayload:
    """Check topic, signature and contents, in that order; total: it raises nothing."""
    try:
        batch = _verify(payload, registry)
    except _RejectionError as error:
        return RejectedPayload(payload=payload, reason=error.reason, detail=error.detail)
    verified = VerifiedBatch(payload=payload, batch=batch, sha256=hashlib.sha256(payload.body).digest())
    first, last = batch.t0 + min(batch.dt), batch.t0 + max(batch.dt)
    if first < _EARLIEST_MS or last > _LATEST_MS:
        detail = f"stamps from {first} to {last} ms"
        return RejectedPayload(payload=payload, reason=RejectionReason.IMPOSSIBLE_TIME, detail=detail, key=verified.key)
    return verified


class _RejectionError(Exception):  # never leaves this module
    def __init__(self, reason: RejectionReason, detail: str) -> None:
        self.reason, self.detail = reason, detail


def _verify(payload: Payload, registry: Registry) -> ReadingBatch:
    node = _find_sender(payload, registry)
    try:
        batch = ReadingBatch.decode(node.key.open(payload.body, is_valid_signature))
    except UnsignedError as error:
        raise _RejectionError(RejectionReason.UNSIGNED, str(error)) from None
    except ForgedError as error:
        raise _RejectionError(RejectionReason.FORGED, str(error)) from None
    except (MalformedError, NoteError) as error:
        raise _RejectionError(RejectionReason.MALFORMED, str(error)) from None
    if batch.node != node.id:
        raise _RejectionError(RejectionReason.FOREIGN_TOPIC, f"{node.id} signed a batch that names {batch.node}")
    return batch


_parse_topic = lru_cache(maxsize=20_000)(Topic.parse)  # a node has one for years


def _find_sender(payload: Payload, registry: Registry) -> Node:
    try:
        topic = _parse_topic(payload.topic)
    except MalformedError as error:
        raise _RejectionError(RejectionReason.FOREIGN_TOPIC, str(error)) from None
    if len(payload.body) > _MAX_BODY_BYTES:
        raise _RejectionError(RejectionReason.TOO_LONG, f"{len(payload.body)} bytes; the limit is {_MAX_BODY_BYTES}")
    node = registry.nodes.get(topic.node)
    if node is None:
        raise _RejectionError(RejectionReason.UNKNOWN_NODE, f"no node {topic.node} is enrolled")
    if node.revoked:
        raise _RejectionError(RejectionReason.REVOKED_NODE, f"the key of {node.id} was revoked")
    if node.area != topic.area:
        raise _RejectionError(RejectionReason.FOREIGN_TOPIC, f"{node.id} belongs to {node.area}, not to {topic.area}")
    return node


@dataclass(frozen=True, kw_only=True)
class UnplacedValues:
    """What of some batches has no datastream: (node, property) to create, and batches with unknown properties."""

    missing_datastreams: tuple[tuple[str, str], ...]
    rejections: tuple[RejectedPayload, ...]


def find_unplaced(headers: Sequence[BatchHeader]) -> UnplacedValues:
    """What `place` left out, so that the caller creates or quarantines it."""
    missing_datastreams = dict.fromkeys(
        (h.node, p) for h in headers if h.unplaced_properties for p in h.unplaced_properties
    )
    rejections = [
        RejectedPayload(
            payload=h.payload,
            reason=RejectionReason.UNKNOWN_PROPERTY,
            detail=f"no observed property {', '.join(h.unknown_properties)}",
        )
        for h in headers
        if h.unknown_properties
    ]
    return UnplacedValues(missing_datastreams=tuple(missing_datastreams), rejections=tuple(rejections))


def place_observations(batches: Sequence[VerifiedBatch], registry: Registry) -> ObservationBatch:
    """Verified batches -> observations in order of arrival; values without a datastream are left out.

    A value that is None and carries no flag is no observation and is left out too.
    """
    placed_properties = [[p for p in v.batch.values if (v.batch.node, p) in registry.slots] for v in batches]
    if not any(placed_properties):
        return ObservationBatch.from_columns([], [], [])
    lengths = np.array([len(v.batch.dt) for v in batches])
    dt = np.array(list(chain.from_iterable(v.batch.dt for v in batches)), np.int64)
    stamps = dt + np.repeat(np.array([v.batch.t0 for v in batches], np.int64), lengths)
    # a column is one property of one batch; `reading` is the row of `stamps` that each observation belongs to
    batch_of_column = np.repeat(np.arange(len(batches)), [len(names) for names in placed_properties])
    reading_index = _expand_spans((np.cumsum(lengths) - lengths)[batch_of_column], lengths[batch_of_column])
    batch_index = np.repeat(batch_of_column, lengths[batch_of_column])
    values = [v.batch.values[name] for v, names in zip(batches, placed_properties, strict=True) for name in names]
    slots = [
        registry.slots[v.batch.node, name]
        for v, names in zip(batches, placed_properties, strict=True)
        for name in names
    ]
    rows = ObservationBatch.from_columns(
        np.repeat(slots, lengths[batch_of_column]),
        stamps[reading_index],
        np.array(list(chain.from_iterable(values)), np.float64),
        batch=batch_index,
        flags=_collect_flags(batches, placed_properties, lengths[batch_of_column])
        | _flag_suspect_times(batches, stamps, lengths)[batch_index],
        late=np.array([v.late for v in batches])[batch_index],
        **_collect_covariates(batches, reading_index),
    )
    return rows[~np.isnan(rows.value) | (rows.flags != 0)]


def decode_observations(payloads: Iterable[Payload], registry: Registry) -> ObservationBatch:
    """What stands in those payloads that can be believed; the others are left out."""
    results = (decode_payload(payload, registry) for payload in payloads)
    return place_observations([result for result in results if isinstance(result, VerifiedBatch)], registry)


def _expand_spans(starts: IntArray, lengths: IntArray) -> NDArray[np.intp]:
    """`starts[i], starts[i] + 1, ...`, `lengths[i]` of them, one after the other."""
    before = np.cumsum(lengths) - lengths
    spans: NDArray[np.intp] = np.arange(lengths.sum()) + np.repeat(starts - before, lengths)
    return spans


def _collect_flags(
    batches: Sequence[VerifiedBatch], placed_properties: Sequence[Sequence[str]], lengths: IntArray
) -> FlagArray:
    """The nodes' own flags, as `place` orders them; most batches have none."""
    flags, ends = np.zeros(int(lengths.sum()), np.int32), np.cumsum(lengths)
    columns = (v.batch.flags.get(name) for v, names in zip(batches, placed_properties, strict=True) for name in names)
    for i, column in enumerate(columns):
        if column:
            flags[ends[i] - lengths[i] : ends[i]] = column
    return flags


def _flag_suspect_times(batches: Sequence[VerifiedBatch], stamps: IntArray, lengths: IntArray) -> FlagArray:
    """A batch of which a stamp cannot be believed is marked as a whole: shape (batches,)."""
    starts = np.cumsum(lengths) - lengths
    latest_plausible = np.array(
        [batch.payload.received_at.timestamp() * 1000 + _MAX_AHEAD_MS for batch in batches], np.int64
    )
    is_suspect = (np.minimum.reduceat(stamps, starts) < _EARLIEST_PLAUSIBLE_MS) | (
        np.maximum.reduceat(stamps, starts) > latest_plausible
    )
    return np.where(is_suspect, int(Flag.TIME_SUSPECT), 0).astype(np.int32)


def _collect_covariates(batches: Sequence[VerifiedBatch], reading_index: NDArray[np.intp]) -> dict[str, FloatArray]:
    """Those that any of the batches has, at each of these readings."""
    present = {name: p for name, p in _COVARIATES.items() if any(p in v.batch.values for v in batches)}
    return {name: _read_covariate(batches, p)[reading_index] for name, p in present.items()}


def _read_covariate(batches: Sequence[VerifiedBatch], name: str) -> FloatArray:
    """One property of every batch, as many values as it has readings; NaN where it has none."""
    columns = (v.batch.values.get(name) or repeat(None, len(v.batch.dt)) for v in batches)
    return np.array(list(chain.from_iterable(columns)), np.float64)


_COVARIATES = {"rh": "humidity", "wind_speed": "wind_speed", "wind_direction": "wind_direction"}
