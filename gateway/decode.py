"""From MQTT payloads to observations: verify, decode once, strictly, and place in datastreams.

Pure. What cannot be believed or read becomes a Rejected with a reason, never an exception: it goes
to quarantine and blocks nothing that comes after it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import chain

import numpy as np

from edge_agent.wire import Flag, Forged, Malformed, NoteError, ReadingBatch, Topic, Unsigned
from gateway.observation import FloatArray, IntArray, ObservationBatch
from gateway.registry import Node, Registry

_EARLIEST = -2_208_988_800_000  # 1900-01-01, ms: before it a stamp is no time at all
_LATEST = 7_258_118_400_000  # 2200-01-01
_BELIEVABLE = 1_420_070_400_000  # 2015-01-01: an older stamp is a clock that was never set
_AHEAD = 120_000  # a stamp this far in the future is a wrong clock, ms
_LONGEST = 1 << 20


class Reason(StrEnum):
    """Why a payload, or a part of it, is in quarantine; also the metric's label."""

    FOREIGN_TOPIC = "foreign_topic"  # not one of ours, or another node's or area's
    TOO_LONG = "too_long"
    UNKNOWN_NODE = "unknown_node"
    REVOKED_NODE = "revoked_node"
    UNSIGNED = "unsigned"
    FORGED = "forged"
    MALFORMED = "malformed"
    IMPOSSIBLE_TIME = "impossible_time"
    UNKNOWN_PROPERTY = "unknown_property"  # the known properties of the batch are stored all the same
    TAMPERED = "tampered"  # a stored key came again with other bytes
    UNSTORABLE = "unstorable"  # the database refused it


@dataclass(frozen=True, kw_only=True)
class Payload:
    """One MQTT message on a `readings` topic."""

    topic: str
    body: bytes = field(repr=False)
    received_at: datetime


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """A payload for quarantine. `key` is known, and counts as received, where its signature was good."""

    payload: Payload
    reason: Reason
    detail: str
    key: tuple[str, str, int] | None = None


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
        batch = ReadingBatch.decode(node.key.open(payload.body))
    except Unsigned as error:
        raise _Refusal(Reason.UNSIGNED, str(error)) from None
    except Forged as error:
        raise _Refusal(Reason.FORGED, str(error)) from None
    except (Malformed, NoteError) as error:
        raise _Refusal(Reason.MALFORMED, str(error)) from None
    if batch.node != node.id:
        raise _Refusal(Reason.FOREIGN_TOPIC, f"{node.id} signed a batch that names {batch.node}")
    return batch


def _sender(payload: Payload, registry: Registry) -> Node:
    try:
        topic = Topic.parse(payload.topic)
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


def unplaced(batches: Sequence[Verified], registry: Registry) -> Unplaced:
    """What `place` would leave out, so that the caller creates or quarantines it first."""
    pairs = dict.fromkeys((v.batch.node, p) for v in batches for p in v.batch.values)
    missing = tuple(pair for pair in pairs if pair not in registry.slots and pair[1] in registry.properties)
    unknown = []
    for verified in batches:
        strange = sorted(set(verified.batch.values) - set(registry.properties))
        if strange:
            detail = f"no observed property {', '.join(strange)}"
            unknown.append(Rejected(payload=verified.payload, reason=Reason.UNKNOWN_PROPERTY, detail=detail))
    return Unplaced(missing=missing, unknown=tuple(unknown))


def place(batches: Sequence[Verified], registry: Registry) -> ObservationBatch:
    """Verified batches -> observations in order of arrival; values without a datastream are left out.

    A value that is None and carries no flag is no observation and is left out too.
    """
    slots: list[int] = []
    columns: list[list[float | None]] = []
    flags: list[list[int]] = []
    times: list[IntArray] = []
    covariates: dict[str, list[FloatArray]] = {name: [] for name in _COVARIATES}
    index: list[int] = []
    suspect: list[int] = []
    late: list[bool] = []
    lengths: list[int] = []
    for number, verified in enumerate(batches):
        batch = verified.batch
        known = [(registry.slots[batch.node, p], p) for p in batch.values if (batch.node, p) in registry.slots]
        stamps = np.array(batch.dt, np.int64) + batch.t0
        times += [stamps] * len(known)
        for name, observed_property in _COVARIATES.items():
            column = np.array(batch.values.get(observed_property) or [None] * len(stamps), np.float64)
            covariates[name] += [column] * len(known)
        latest = int(verified.payload.received_at.timestamp() * 1000) + _AHEAD
        wrong = int(Flag.TIME_SUSPECT) if stamps.min() < _BELIEVABLE or stamps.max() > latest else 0
        for slot, name in known:
            slots.append(slot)
            columns.append(batch.values[name])
            flags.append(batch.flags.get(name) or [0] * len(stamps))
            index.append(number)
            suspect.append(wrong)
            late.append(batch.hist)
            lengths.append(len(stamps))
    if not slots:
        return ObservationBatch.of([], [], [])
    rows = ObservationBatch.of(
        np.repeat(slots, lengths),
        np.concatenate(times),
        np.array(list(chain.from_iterable(columns)), np.float64),
        batch=np.repeat(index, lengths),
        flags=np.array(list(chain.from_iterable(flags)), np.int32) | np.repeat(suspect, lengths),
        late=np.repeat(late, lengths),
        **{name: np.concatenate(parts) for name, parts in covariates.items()},
    )
    return rows[~np.isnan(rows.value) | (rows.flags != 0)]


_COVARIATES = {"rh": "humidity", "wind_speed": "wind_speed", "wind_direction": "wind_direction"}
