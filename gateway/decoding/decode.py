"""Turns MQTT payloads into observations: verify, decode once and strictly, place in datastreams. Pure.

A payload that cannot be verified or decoded becomes a RejectedPayload with a reason, never an exception. It goes to
quarantine and blocks none of the payloads after it.
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

from edge_agent.wire import (
    INVALID_FLAGS,
    ClockState,
    Flag,
    ForgedError,
    MalformedError,
    NoteError,
    ReadingBatch,
    Topic,
    UnsignedError,
)
from gateway.decoding.rejection import RejectionReason
from gateway.decoding.signature import is_valid_signature
from gateway.model.observation import FlagArray, FloatArray, IntArray, ObservationBatch
from gateway.model.registry import Node, Registry

_EARLIEST_MS = -2_208_988_800_000  # 1900-01-01; earlier timestamps are rejected
_LATEST_MS = 7_258_118_400_000  # 2200-01-01
_EARLIEST_PLAUSIBLE_MS = 1_420_070_400_000  # 2015-01-01; an earlier timestamp is of a clock that was never set
_MAX_AHEAD_MS = 120_000  # a timestamp further in the future is of a wrong clock
_MAX_BODY_BYTES = 1 << 20
_COVARIATES = {"rh": "humidity", "wind_speed": "wind_speed", "wind_direction": "wind_direction"}


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """One MQTT message on a `readings` topic."""

    topic: str
    body: bytes
    received_at: datetime
    replayed: bool = False  # replayed from quarantine: counts as late, like the backlog


@dataclass(frozen=True, kw_only=True)
class RejectedPayload:
    """A payload for quarantine. If its signature was valid, `key` is set and counts as received."""

    payload: Payload
    reason: RejectionReason
    detail: str
    key: tuple[str, str, int] | None = None


class BatchHeader(msgspec.Struct, frozen=True):
    """Metadata of a verified batch without its values; ledger, clock offsets and log need no more.

    earliest_ms          its earliest timestamp, ms UTC
    readings             number of readings in it
    late                 from the backlog lane or from quarantine: stored, never detected on as live
    unplaced_properties  known properties that have no datastream yet
    unknown_properties   properties that the registry does not have
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
        """(node, incarnation, seq), which is unique."""
        return self.node, self.inc, self.seq


@dataclass(frozen=True, kw_only=True)
class VerifiedBatch:
    """A payload with a valid signature and well-formed content."""

    payload: Payload
    batch: ReadingBatch
    sha256: bytes

    @property
    def key(self) -> tuple[str, str, int]:
        """(node, incarnation, seq), which is unique."""
        return self.batch.node, self.batch.inc, self.batch.seq

    @property
    def late(self) -> bool:
        """Whether it came from the backlog lane or from quarantine."""
        return self.batch.hist or self.payload.replayed

    def build_header(self, registry: Registry) -> BatchHeader:
        """Build the header, with the properties as this registry has them."""
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
    """Check topic, signature and content, in that order; never raises."""
    try:
        batch = _verify(payload, registry)
    except _RejectionError as error:
        return RejectedPayload(payload=payload, reason=error.reason, detail=error.detail)
    verified = VerifiedBatch(payload=payload, batch=batch, sha256=hashlib.sha256(payload.body).digest())
    first, last = batch.t0 + min(batch.dt), batch.t0 + max(batch.dt)
    if first < _EARLIEST_MS or last > _LATEST_MS:
        detail = f"timestamps from {first} to {last} ms"
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


_parse_topic = lru_cache(maxsize=20_000)(Topic.parse)  # a node keeps its topic for years


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
    """Values without a datastream: (node, property) pairs to create, and batches with unknown properties."""

    missing_datastreams: tuple[tuple[str, str], ...]
    rejections: tuple[RejectedPayload, ...]


def find_unplaced(headers: Sequence[BatchHeader]) -> UnplacedValues:
    """Find what `place_observations` leaves out, so that the caller can create or quarantine it."""
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
    """Return the observations in order of arrival, without values that have no datastream.

    A value that is None and has no flag is no observation and is left out too.
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
        **_collect_covariates(batches, reading_index, registry),
    )
    return rows[~np.isnan(rows.value) | (rows.flags != 0)]


def decode_observations(payloads: Iterable[Payload], registry: Registry) -> ObservationBatch:
    """Return the observations of all payloads that can be verified; leave out the others."""
    results = (decode_payload(payload, registry) for payload in payloads)
    return place_observations([result for result in results if isinstance(result, VerifiedBatch)], registry)


def _expand_spans(starts: IntArray, lengths: IntArray) -> NDArray[np.intp]:
    """Concatenate the ranges `starts[i], starts[i] + 1, ...` of `lengths[i]` elements."""
    before = np.cumsum(lengths) - lengths
    spans: NDArray[np.intp] = np.arange(lengths.sum()) + np.repeat(starts - before, lengths)
    return spans


def _collect_flags(
    batches: Sequence[VerifiedBatch], placed_properties: Sequence[Sequence[str]], lengths: IntArray
) -> FlagArray:
    """Return the flags that nodes set, in the order of `place_observations`; most batches have none."""
    flags, ends = np.zeros(int(lengths.sum()), np.int32), np.cumsum(lengths)
    columns = (v.batch.flags.get(name) for v, names in zip(batches, placed_properties, strict=True) for name in names)
    for i, column in enumerate(columns):
        if column:
            flags[ends[i] - lengths[i] : ends[i]] = column
    return flags


def _flag_suspect_times(batches: Sequence[VerifiedBatch], stamps: IntArray, lengths: IntArray) -> FlagArray:
    """Flag a whole batch if one of its timestamps is implausible: shape (batches,)."""
    starts = np.cumsum(lengths) - lengths
    latest_plausible = np.array(
        [batch.payload.received_at.timestamp() * 1000 + _MAX_AHEAD_MS for batch in batches], np.int64
    )
    is_suspect = (np.minimum.reduceat(stamps, starts) < _EARLIEST_PLAUSIBLE_MS) | (
        np.maximum.reduceat(stamps, starts) > latest_plausible
    )
    return np.where(is_suspect, int(Flag.TIME_SUSPECT), 0).astype(np.int32)


def _collect_covariates(
    batches: Sequence[VerifiedBatch], reading_index: NDArray[np.intp], registry: Registry
) -> dict[str, FloatArray]:
    """Return the covariates that any batch has, for each of these readings; only values that count."""
    present = {name: p for name, p in _COVARIATES.items() if any(p in v.batch.values for v in batches)}
    covariates = {name: _read_covariate(batches, p, registry) for name, p in present.items()}
    if "wind_speed" in covariates and "wind_direction" in covariates:
        # one instrument measures both: without a speed that counts its direction is none
        is_lost = _has_property(batches, "wind_speed") & np.isnan(covariates["wind_speed"])
        covariates["wind_direction"] = np.where(is_lost, np.nan, covariates["wind_direction"])
    return {name: column[reading_index] for name, column in covariates.items()}


def _read_covariate(batches: Sequence[VerifiedBatch], name: str, registry: Registry) -> FloatArray:
    """Return one property of all batches, a value per reading; NaN if it is absent, excluded or out of its range."""
    columns = (v.batch.values.get(name) or repeat(None, len(v.batch.dt)) for v in batches)
    values = np.array(list(chain.from_iterable(columns)), np.float64)
    flag_columns = (v.batch.flags.get(name) or repeat(0, len(v.batch.dt)) for v in batches)
    flags = np.array(list(chain.from_iterable(flag_columns)), np.int64)
    limits = registry.properties.get(name)
    lower = -np.inf if limits is None or limits.lower is None else limits.lower
    upper = np.inf if limits is None or limits.upper is None else limits.upper
    counts = ((flags & int(INVALID_FLAGS)) == 0) & (values >= lower) & (values <= upper)
    return np.where(counts, values, np.nan)


def _has_property(batches: Sequence[VerifiedBatch], name: str) -> NDArray[np.bool_]:
    """Return for each reading whether its batch has the property."""
    return np.repeat([name in v.batch.values for v in batches], [len(v.batch.dt) for v in batches])
