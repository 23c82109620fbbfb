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

from edge_agent.wire import Clock, Flag, Forged, Malformed, NoteError, ReadingBatch, Topic, Unsigned
from gateway.decoding.rejection import Reason
from gateway.decoding.signature import fits
from gateway.model.observation import FlagArray, FloatArray, IntArray, ObservationBatch
from gateway.model.registry import Node, Registry

_EARLIEST = -2_208_988_800_000  # 1900-01-01, ms: before it a stamp is no time at all
_LATEST = 7_258_118_400_000  # 2200-01-01
_BELIEVABLE = 1_420_070_400_000  # 2015-01-01: an older stamp is a clock that was never set
_AHEAD = 120_000  # a stamp this far in the future is a wrong clock, ms
_LONGEST = 1 << 20


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """One MQTT message on a `readings` topic."""

    topic: str
    body: bytes
    received_at: datetime
    replayed: bool = False  # from quarantine: as late as a batch from the backlog


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """A payload for quarantine. `key` is known, and counts as received, where its signature was good."""

    payload: Payload
    reason: Reason
    detail: str
    key: tuple[str, str, int] | None = None


class Heading(msgspec.Struct, frozen=True):
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
    clock: Clock
    t0: int
    first: int
    readings: int
    late: bool
    missing: tuple[str, ...] = ()
    strange: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str, int]:
        """(node, incarnation, seq): unique for ever."""
        return self.node, self.inc, self.seq


@dataclass(frozen=True, kw_only=True)
class Verified:
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

    def heading(self, registry: Registry) -> Heading:
        """As this registry knows its properties."""
        batch, known = self.batch, registry.properties
        return Heading(
            payload=self.payload,
            sha256=self.sha256,
            node=batch.node,
            inc=batch.inc,
            seq=batch.seq,
            boot=batch.boot,
            mono=batch.mono,
            clock=batch.clock,
            t0=batch.t0,
            first=batch.t0 + min(batch.dt),
            readings=len(batch.dt),
            late=self.late,
            missing=tuple(p for p in batch.values if (batch.node, p) not in registry.slots and p in known),
            strange=tuple(sorted(p for p in batch.values if p not in known)),
        )


def decode(payload: Payload, registry: Registry) -> Verified | Rejected:
    """Check topic, signature and contents, in that order; total: it raises nothing."""
    try:
        batch = _verified(payload, registry)
    except _Refusal as refusal:
        return Rejected(payload=payload, reason=refusal.reason, detail=refusal.detail)
    verified = Verified(payload=payload, batch=batch, sha256=hashlib.sha256(payload.body).digest())
    first, last = batch.t0 + min(batch.dt), batch.t0 + max(batch.dt)
    if first < _EARLIEST or last > _LATEST:
        detail = f"stamps from {first} to {last} ms"
        return Rejected(payload=payload, reason=Reason.IMPOSSIBLE_TIME, detail=detail, key=verified.key)
    return verified


class _Refusal(Exception):  # never leaves this module
    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason, self.detail = reason, detail


def _verified(payload: Payload, registry: Registry) -> ReadingBatch:
    node = _sender(payload, registry)
    try:
        batch = ReadingBatch.decode(node.key.open(payload.body, fits))
    except Unsigned as error:
        raise _Refusal(Reason.UNSIGNED, str(error)) from None
    except Forged as error:
        raise _Refusal(Reason.FORGED, str(error)) from None
    except (Malformed, NoteError) as error:
        raise _Refusal(Reason.MALFORMED, str(error)) from None
    if batch.node != node.id:
        raise _Refusal(Reason.FOREIGN_TOPIC, f"{node.id} signed a batch that names {batch.node}")
    return batch


_topic = lru_cache(maxsize=20_000)(Topic.parse)  # a node has one for years


def _sender(payload: Payload, registry: Registry) -> Node:
    try:
        topic = _topic(payload.topic)
    except Malformed as error:
        raise _Refusal(Reason.FOREIGN_TOPIC, str(error)) from None
    if len(payload.body) > _LONGEST:
        raise _Refusal(Reason.TOO_LONG, f"{len(payload.body)} bytes; the limit is {_LONGEST}")
    node = registry.nodes.get(topic.node)
    if node is None:
        raise _Refusal(Reason.UNKNOWN_NODE, f"no node {topic.node} is enrolled")
    if node.revoked:
        raise _Refusal(Reason.REVOKED_NODE, f"the key of {node.id} was revoked")
    if node.area != topic.area:
        raise _Refusal(Reason.FOREIGN_TOPIC, f"{node.id} belongs to {node.area}, not to {topic.area}")
    return node


@dataclass(frozen=True, kw_only=True)
class Unplaced:
    """What of some batches has no datastream: (node, property) to create, and batches with unknown properties."""

    missing: tuple[tuple[str, str], ...]
    unknown: tuple[Rejected, ...]


def unplaced(headings: Sequence[Heading]) -> Unplaced:
    """What `place` left out, so that the caller creates or quarantines it."""
    missing = dict.fromkeys((h.node, p) for h in headings if h.missing for p in h.missing)
    unknown = [
        Rejected(
            payload=h.payload,
            reason=Reason.UNKNOWN_PROPERTY,
            detail=f"no observed property {', '.join(h.strange)}",
        )
        for h in headings
        if h.strange
    ]
    return Unplaced(missing=tuple(missing), unknown=tuple(unknown))


def place(batches: Sequence[Verified], registry: Registry) -> ObservationBatch:
    """Verified batches -> observations in order of arrival; values without a datastream are left out.

    A value that is None and carries no flag is no observation and is left out too.
    """
    known = [[p for p in v.batch.values if (v.batch.node, p) in registry.slots] for v in batches]
    if not any(known):
        return ObservationBatch.of([], [], [])
    lengths = np.array([len(v.batch.dt) for v in batches])
    dt = np.array(list(chain.from_iterable(v.batch.dt for v in batches)), np.int64)
    stamps = dt + np.repeat(np.array([v.batch.t0 for v in batches], np.int64), lengths)
    # a column is one property of one batch; `reading` is the row of `stamps` that each observation belongs to
    column = np.repeat(np.arange(len(batches)), [len(names) for names in known])
    reading = _spans((np.cumsum(lengths) - lengths)[column], lengths[column])
    index = np.repeat(column, lengths[column])
    values = [v.batch.values[name] for v, names in zip(batches, known, strict=True) for name in names]
    slots = [registry.slots[v.batch.node, name] for v, names in zip(batches, known, strict=True) for name in names]
    rows = ObservationBatch.of(
        np.repeat(slots, lengths[column]),
        stamps[reading],
        np.array(list(chain.from_iterable(values)), np.float64),
        batch=index,
        flags=_flags(batches, known, lengths[column]) | _suspect(batches, stamps, lengths)[index],
        late=np.array([v.late for v in batches])[index],
        **_covariates(batches, reading),
    )
    return rows[~np.isnan(rows.value) | (rows.flags != 0)]


def observed(payloads: Iterable[Payload], registry: Registry) -> ObservationBatch:
    """What stands in those payloads that can be believed; the others are left out."""
    read = (decode(payload, registry) for payload in payloads)
    return place([one for one in read if isinstance(one, Verified)], registry)


def _spans(starts: IntArray, lengths: IntArray) -> NDArray[np.intp]:
    """`starts[i], starts[i] + 1, ...`, `lengths[i]` of them, one after the other."""
    before = np.cumsum(lengths) - lengths
    spans: NDArray[np.intp] = np.arange(lengths.sum()) + np.repeat(starts - before, lengths)
    return spans


def _flags(batches: Sequence[Verified], known: Sequence[Sequence[str]], lengths: IntArray) -> FlagArray:
    """The nodes' own flags, as `place` orders them; most batches have none."""
    flags, ends = np.zeros(int(lengths.sum()), np.int32), np.cumsum(lengths)
    columns = (v.batch.flags.get(name) for v, names in zip(batches, known, strict=True) for name in names)
    for i, given in enumerate(columns):
        if given:
            flags[ends[i] - lengths[i] : ends[i]] = given
    return flags


def _suspect(batches: Sequence[Verified], stamps: IntArray, lengths: IntArray) -> FlagArray:
    """A batch of which a stamp cannot be believed is marked as a whole: shape (batches,)."""
    starts = np.cumsum(lengths) - lengths
    latest = np.array([v.payload.received_at.timestamp() * 1000 + _AHEAD for v in batches], np.int64)
    wrong = (np.minimum.reduceat(stamps, starts) < _BELIEVABLE) | (np.maximum.reduceat(stamps, starts) > latest)
    return np.where(wrong, int(Flag.TIME_SUSPECT), 0).astype(np.int32)


def _covariates(batches: Sequence[Verified], reading: NDArray[np.intp]) -> dict[str, FloatArray]:
    """Those that any of the batches has, at each of these readings."""
    known = {name: p for name, p in _COVARIATES.items() if any(p in v.batch.values for v in batches)}
    return {name: _covariate(batches, p)[reading] for name, p in known.items()}


def _covariate(batches: Sequence[Verified], name: str) -> FloatArray:
    """One property of every batch, as many values as it has readings; NaN where it has none."""
    columns = (v.batch.values.get(name) or repeat(None, len(v.batch.dt)) for v in batches)
    return np.array(list(chain.from_iterable(columns)), np.float64)


_COVARIATES = {"rh": "humidity", "wind_speed": "wind_speed", "wind_direction": "wind_direction"}
