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
    EXCLUDED_FLAGS,
    ClockState,
    Flag,
    ForgedError,
    MalformedError,
    NoteError,
    ReadingBatch,
    Topic,
    UnsignedError,
    is_guest,
)
from gateway.decoding.places import find_places
from gateway.decoding.rejection import RejectionReason
from gateway.decoding.signature import is_valid_signature
from gateway.model.clock_doubt import ClockDoubt, find_clock_doubt
from gateway.model.observation import FlagArray, FloatArray, IntArray, ObservationBatch
from gateway.model.registry import Node, Registry
from gateway.model.spans import expand_spans

_EARLIEST_MS = -2_208_988_800_000  # 1900-01-01; earlier timestamps are rejected
_LATEST_MS = 7_258_118_400_000  # 2200-01-01
_MAX_BODY_BYTES = 1 << 20
_STORED_BYTES = 65_536  # of a payload that is too long to be a batch
_COVARIATES = {"rh": "humidity", "wind_speed": "wind_speed", "wind_direction": "wind_direction"}


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """One MQTT message on a `readings` topic, or a stored batch.

    replayed  replayed from quarantine: counts as late, like the backlog
    shift_ms  what to add to the stamps of a stored batch that was dated again; None: it was not
    """

    topic: str
    body: bytes
    received_at: datetime
    replayed: bool = False
    shift_ms: int | None = None


@dataclass(frozen=True, kw_only=True)
class RejectedPayload:
    """A payload for quarantine. If its signature was valid, `key` is set and counts as received."""

    payload: Payload
    reason: RejectionReason
    detail: str
    key: tuple[str, str, int] | None = None

    @property
    def stored_body(self) -> bytes:
        """The bytes that quarantine stores: the body, or the beginning of one that is too long."""
        body = self.payload.body
        return body[:_STORED_BYTES] if self.reason is RejectionReason.TOO_LONG else body


class BatchHeader(msgspec.Struct, frozen=True):
    """Metadata of a verified batch without its values; ledger, clock offsets and log need no more.

    earliest_ms          its earliest timestamp, ms UTC
    latest_ms            its latest timestamp, ms UTC
    readings             number of readings in it
    late                 from the backlog lane or from quarantine: stored, never detected on as live
    clock_doubt          why its stamps are not believed; None: they are
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
    latest_ms: int
    readings: int
    late: bool
    clock_doubt: ClockDoubt | None = None
    unplaced_properties: tuple[str, ...] = ()
    unknown_properties: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str, int]:
        """(node, incarnation, seq), which is unique."""
        return self.node, self.inc, self.seq


class VerifiedBatch(msgspec.Struct, frozen=True, kw_only=True):
    """A payload with a valid signature and well-formed content; `first_ms` and `last_ms` are its outermost stamps."""

    payload: Payload
    batch: ReadingBatch
    sha256: bytes
    first_ms: int
    last_ms: int
    clock_doubt: ClockDoubt | None

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
        batch = self.batch
        places = find_places(registry, batch)
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
            earliest_ms=self.first_ms,
            latest_ms=self.last_ms,
            readings=len(batch.dt),
            late=self.late,
            clock_doubt=self.clock_doubt,
            unplaced_properties=places.unplaced_properties,
            unknown_properties=places.unknown_properties,
        )


def decode_payload(payload: Payload, registry: Registry) -> VerifiedBatch | RejectedPayload:
    """Check topic, signature and content, in that order; never raises."""
    try:
        batch = _verify(payload, registry)
    except _RejectionError as error:
        return RejectedPayload(payload=payload, reason=error.reason, detail=error.detail)
    first, last = batch.t0 + min(batch.dt), batch.t0 + max(batch.dt)
    verified = VerifiedBatch(
        payload=payload,
        batch=batch,
        sha256=hashlib.sha256(payload.body).digest(),
        first_ms=first,
        last_ms=last,
        clock_doubt=find_clock_doubt(batch, first, last, int(payload.received_at.timestamp() * 1000)),
    )
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
    if is_guest(batch.node) != (batch.received is not None):
        detail = "a batch of a guest node, and no other, has the message that was received - at `$.received`"
        raise _RejectionError(RejectionReason.MALFORMED, detail)
    return batch


_parse_topic = lru_cache(maxsize=20_000)(Topic.parse)  # a node keeps its topic for years


def _find_sender(payload: Payload, registry: Registry) -> Node:
    try:
        topic = _parse_topic(payload.topic)
    except MalformedError as error:
        raise _RejectionError(RejectionReason.FOREIGN_TOPIC, str(error)) from None
    if len(payload.body) > _MAX_BODY_BYTES:
        detail = (
            f"at least {len(payload.body)} bytes, of which {_STORED_BYTES} are stored; the limit is {_MAX_BODY_BYTES}"
        )
        raise _RejectionError(RejectionReason.TOO_LONG, detail)
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
    """Return the observations batch by batch, without values that have no datastream.

    Within a batch they are ordered by property and time. Of two readings at one time the valid, lower one comes first.
    A value that is None and has no flag is no observation and is left out too.
    """
    places = [find_places(registry, v.batch) for v in batches]
    placed_properties = [p.properties for p in places]
    if not any(placed_properties):
        return ObservationBatch.from_columns([], [], [])
    lengths = np.array([len(v.batch.dt) for v in batches])
    dt = np.array(list(chain.from_iterable(v.batch.dt for v in batches)), np.int64)
    starts = np.array([v.batch.t0 + (v.payload.shift_ms or 0) for v in batches], np.int64)
    times = dt + np.repeat(starts, lengths)
    # a column is one property of one batch; `reading` is the row of `times` that each observation belongs to
    batch_of_column = np.repeat(np.arange(len(batches)), [len(names) for names in placed_properties])
    reading_index = expand_spans((np.cumsum(lengths) - lengths)[batch_of_column], lengths[batch_of_column])
    batch_index = np.repeat(batch_of_column, lengths[batch_of_column])
    values = [v.batch.values[name] for v, names in zip(batches, placed_properties, strict=True) for name in names]
    slots = list(chain.from_iterable(p.slots for p in places))
    rows = ObservationBatch.from_columns(
        np.repeat(slots, lengths[batch_of_column]),
        times[reading_index],
        np.array(list(chain.from_iterable(values)), np.float64),
        batch=batch_index,
        flags=_collect_flags(batches, placed_properties, lengths[batch_of_column])
        | _flag_suspect_times(batches)[batch_index],
        late=np.array([v.late for v in batches])[batch_index],
        **_collect_covariates(batches, reading_index),
    )
    rows = _order_readings(rows, np.repeat(np.arange(len(slots)), lengths[batch_of_column]))
    is_observation = ~np.isnan(rows.value) | (rows.flags != 0)
    return rows if is_observation.all() else rows[is_observation]  # nearly always all are: the copy takes a while


def _order_readings(rows: ObservationBatch, column: IntArray) -> ObservationBatch:
    """Return the rows with those of each column in the order of time; nearly always they are."""
    if not ((np.diff(rows.observed_at) <= 0) & (np.diff(column) == 0)).any():
        return rows
    is_excluded = rows.flags & int(EXCLUDED_FLAGS) != 0
    return rows[np.lexsort((rows.value, is_excluded, rows.observed_at, column))]


def decode_observations(payloads: Iterable[Payload], registry: Registry) -> ObservationBatch:
    """Return the observations of all payloads that can be verified; leave out the others."""
    results = (decode_payload(payload, registry) for payload in payloads)
    return place_observations([result for result in results if isinstance(result, VerifiedBatch)], registry)


def _collect_flags(
    batches: Sequence[VerifiedBatch], placed_properties: Sequence[Sequence[str]], lengths: IntArray
) -> FlagArray:
    """Return the flags that nodes set, in the order of `place_observations`; most batches have none."""
    flags, ends = np.zeros(int(lengths.sum()), np.int32), np.cumsum(lengths)
    first = 0  # column of the batch
    for verified, names in zip(batches, placed_properties, strict=True):
        for i, name in enumerate(names if verified.batch.flags else (), first):
            column = verified.batch.flags.get(name)
            if column:
                flags[ends[i] - lengths[i] : ends[i]] = column
        first += len(names)
    return flags


def _flag_suspect_times(batches: Sequence[VerifiedBatch]) -> FlagArray:
    """Flag whole batches whose stamps are not believed and that were not dated again: shape (batches,)."""
    is_suspect = [v.clock_doubt is not None and v.payload.shift_ms is None for v in batches]
    return np.where(is_suspect, int(Flag.TIME_SUSPECT), 0).astype(np.int32)


def _collect_covariates(batches: Sequence[VerifiedBatch], reading_index: NDArray[np.intp]) -> dict[str, FloatArray]:
    """Return the covariates that any batch has, for each of these readings."""
    present = {name: p for name, p in _COVARIATES.items() if any(p in v.batch.values for v in batches)}
    return {name: _read_covariate(batches, p)[reading_index] for name, p in present.items()}


def _read_covariate(batches: Sequence[VerifiedBatch], name: str) -> FloatArray:
    """Return one property of all batches, a value per reading; NaN if a batch does not have it."""
    columns = (v.batch.values.get(name) or repeat(None, len(v.batch.dt)) for v in batches)
    return np.array(list(chain.from_iterable(columns)), np.float64)
