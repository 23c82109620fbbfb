"""The contract between a node and a gateway: topics, ReadingBatch, flags, StoredRanges.

A ReadingBatch is one line of JSON in columns, then a signature (see `signing`). A person can read it with
`mosquitto_sub`. Its key (node, inc, seq) is unique: `inc` is a random id made with the spool file, `seq` counts up in
the transaction that stores the batch on the node. The gateway alone decides what a node may delete: after COMMIT it
sends signed StoredRanges.

The contract is part of the agent, which sends first; it needs only msgspec and `signing`. Unknown fields are
tolerated, known ones are checked strictly.
"""

import base64
import hashlib
import re
import secrets
from enum import IntFlag, StrEnum
from functools import lru_cache
from itertools import chain, repeat
from typing import Annotated, Literal, Self

import msgspec
from msgspec import Meta, Struct

from edge_agent.signing import ForgedError, NoteError, Signer, UnsignedError, Verifier, split_note

__all__ = [
    "DOUBTFUL_FLAGS",
    "EXCLUDED_FLAGS",
    "INVALID_FLAGS",
    "UNDATED_FLAGS",
    "ClockState",
    "Flag",
    "ForgedError",
    "MalformedError",
    "NoteError",
    "ReadingBatch",
    "ReceivedMessage",
    "Signer",
    "StoredRanges",
    "Topic",
    "TopicKind",
    "UnsignedError",
    "Verifier",
    "is_guest",
    "is_mobile",
    "split_note",
]

NAME = r"^[a-z0-9][a-z0-9-]{0,62}$"  # areas, nodes, stations: safe in a topic, an ACL and an address
PROPERTY = r"^[a-z][a-z0-9_]{0,31}$"
INCARNATION = r"^[a-z2-7]{12}$"  # 60 random bits in base32
BOOT = r"^[!-~]{1,64}$"
DIGEST = r"^[0-9a-f]{32}$"  # the first 16 bytes of SHA-256 in hexadecimal
TOPIC_PREFIX = "pw/v1/"  # of the topics of nodes
GUEST_PREFIX = "guest-"  # of the ids of guest nodes and their stations, and of no others
MOBILE_PREFIX = "mobile-"  # of the ids of stations that move, and of no others

Name = Annotated[str, Meta(pattern=NAME)]
Incarnation = Annotated[str, Meta(pattern=INCARNATION)]
_ShortText = Annotated[str, Meta(max_length=64)]
SequenceNumber = Annotated[int, Meta(ge=1, lt=2**62)]
Milliseconds = Annotated[int, Meta(ge=-(2**52), le=2**52)]

_MAX_READINGS = 100_000


class MalformedError(ValueError):
    """A payload or topic that breaks the contract; the message names the path of the fault."""


class Flag(IntFlag):
    """Quality flags of one value, a bit set. A flag never hides the raw value."""

    WARM_UP = 1
    CLEANING = 2
    OUT_OF_RANGE = 4
    STALE = 8
    CHECKSUM_RETRY = 16
    STUCK = 32
    HUMIDITY = 64
    CLOCK_UNSYNCED = 128
    SIZE_EXTRAPOLATED = 256
    SENSOR_FAULT = 512
    # from here on set by the gateway
    JUMP = 1024
    NEIGHBOUR_DISAGREES = 2048
    MAINTENANCE = 4096
    CALIBRATION_EXPIRED = 8192
    TIME_SUSPECT = 16384


# Every flag belongs to one of three classes.
# Invalid: not a measurement of the air. Shown raw with its reason, never in a mean, a peak or a direction.
INVALID_FLAGS = (
    Flag.WARM_UP | Flag.CLEANING | Flag.OUT_OF_RANGE | Flag.STALE | Flag.STUCK | Flag.SENSOR_FAULT | Flag.MAINTENANCE
)
# Undated: a measurement of the air at an unknown time. Counted once it is dated.
UNDATED_FLAGS = Flag.TIME_SUSPECT
# Doubtful: counted, and marked in every answer.
DOUBTFUL_FLAGS = (
    Flag.CHECKSUM_RETRY
    | Flag.HUMIDITY
    | Flag.CLOCK_UNSYNCED
    | Flag.SIZE_EXTRAPOLATED
    | Flag.JUMP
    | Flag.NEIGHBOUR_DISAGREES
    | Flag.CALIBRATION_EXPIRED
)
# A value with one of these flags counts nowhere.
EXCLUDED_FLAGS = INVALID_FLAGS | UNDATED_FLAGS


class ClockState(StrEnum):
    """State of the node's clock when it stamped a batch."""

    SYNCED = "synced"
    UNSYNCED = "unsynced"
    STEPPED = "stepped"


class ReceivedMessage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The message of a foreign sensor that the gateway turned into a batch. The gateway signs it as notary.

    format   the adapter that read it
    at       when the gateway received it, ms UTC
    sha256   hash of the body, in hexadecimal
    body     the exact bytes in base64; left out if the format can hold personal data, such as an exact place
    topic    MQTT topic, or the path of the post; headers: those of the post that the adapter reads
    mapping  hash of the mapping file in hexadecimal, if the format needs one
    """

    format: _ShortText
    at: Milliseconds
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    body: Annotated[str, Meta(max_length=200_000)] = ""
    topic: Annotated[str, Meta(max_length=512)] = ""
    headers: Annotated[dict[_ShortText, Annotated[str, Meta(max_length=512)]], Meta(max_length=8)] = {}
    mapping: Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?$")] = ""


class ReadingBatch(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Readings of one node in columns: reading i was taken at t0 + dt[i], in ms UTC by its clock.

    Every list in `values` and `flags` is as long as `dt`. None in `values` is a reading that gave
    no value for that property; absent flags are zero. `boot` and `mono` (CLOCK_BOOTTIME at t0, ms)
    let the gateway derive a better time later; the stamps themselves are never rewritten. Names
    are checked by `decode`, with a cache, because the same few return.
    """

    v: Literal[1]
    node: _ShortText
    inc: _ShortText
    seq: SequenceNumber
    boot: _ShortText
    mono: Milliseconds = 0
    clock: ClockState = ClockState.UNSYNCED
    hist: bool = False
    t0: Milliseconds
    dt: Annotated[list[Milliseconds], Meta(min_length=1, max_length=_MAX_READINGS)]
    values: Annotated[dict[_ShortText, list[float | None]], Meta(min_length=1, max_length=64)]
    flags: dict[_ShortText, list[Annotated[int, Meta(ge=0, lt=2**31)]]] = {}
    pos: list[tuple[float, float, float]] | None = None
    received: ReceivedMessage | None = None  # of a guest node, and of no other

    def encode(self) -> bytes:
        """The text that is signed: one JSON line with its newline."""
        # v would be left out as a default-like constant by some encoders; it is required, so it stays
        return msgspec.json.encode(self) + b"\n"

    @classmethod
    def decode(cls, text: bytes) -> Self:
        """Strict reader of `encode`'s form; raises MalformedError and nothing else."""
        try:
            batch = _READING_BATCH.decode(text)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedError(str(error)) from None
        batch._check_names()  # noqa: SLF001
        batch._check_lengths()  # noqa: SLF001
        return batch  # type: ignore[return-value]

    def _check_names(self) -> None:
        problem = _find_invalid_name((self.node, self.inc, self.boot, *self.values))
        if problem is not None:
            raise MalformedError(problem)

    def _check_lengths(self) -> None:
        readings = len(self.dt)
        for name, values in self.values.items():
            if len(values) != readings:
                raise MalformedError(_LENGTH_MISMATCH.format(len(values), readings, f"values.{name}"))
        for name, flags in self.flags.items():
            if name not in self.values:
                raise MalformedError(f"flags of a property without values - at `$.flags.{name}`")
            if len(flags) != readings:
                raise MalformedError(_LENGTH_MISMATCH.format(len(flags), readings, f"flags.{name}"))
        if self.pos and len(self.pos) != readings:
            raise MalformedError(_LENGTH_MISMATCH.format(len(self.pos), readings, "pos"))


_LENGTH_MISMATCH = "{} entries for {} readings - at `$.{}`"


@lru_cache(maxsize=20_000)  # the topics of a node stay the same for months
def _find_invalid_name(names: tuple[str, ...]) -> str | None:
    """(node, inc, boot, properties...) -> what is wrong with the first that breaks the contract."""
    header = (("node", re.compile(NAME)), ("inc", re.compile(INCARNATION)), ("boot", re.compile(BOOT)))
    patterns = chain(header, repeat(("values", re.compile(PROPERTY))))
    for name, (path, pattern) in zip(names, patterns, strict=False):
        if pattern.fullmatch(name) is None:
            return f"{name!r} does not match {pattern.pattern} - at `$.{path}`"
    return None


class StoredRanges(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Confirmation of the gateway that these sequence numbers (inclusive, ascending) are committed.

    `hashes`: (seq, digest of the bytes that hold this number) of the batches that this message answers. Only the
    digest lets a node delete a batch, and only a batch of these very bytes. Another digest means that the number
    belongs to other bytes: a copy of the node's card used it, and the node must send its batch under another key.
    """

    v: Literal[1]
    node: Name
    inc: Incarnation
    ranges: list[tuple[SequenceNumber, SequenceNumber]]
    hashes: list[tuple[SequenceNumber, Annotated[str, Meta(pattern=DIGEST)]]] = []

    def encode(self) -> bytes:
        """The text that is signed: one JSON line with its newline."""
        return msgspec.json.encode(self) + b"\n"

    @classmethod
    def decode(cls, text: bytes) -> Self:
        """Strict reader of `encode`'s form; raises MalformedError and nothing else."""
        try:
            return _STORED_RANGES.decode(text)  # type: ignore[return-value]
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedError(str(error)) from None


_READING_BATCH = msgspec.json.Decoder(ReadingBatch)
_STORED_RANGES = msgspec.json.Decoder(StoredRanges)


class DesiredConfig(Struct, frozen=True, kw_only=True):
    """Configuration that the gateway requests: one JSON line, signed by the area's gateway key."""

    v: Literal[1]
    node: Name
    version: Annotated[int, Meta(ge=1)]
    toml: Annotated[str, Meta(max_length=65_536)]  # empty: as the card has it
    certificate: Annotated[str, Meta(max_length=16_384)] = (
        ""  # PEM, for the TLS key of the node; empty: as the card has it
    )

    def encode(self) -> bytes:
        """The text that is signed."""
        return msgspec.json.encode(self) + b"\n"

    @classmethod
    def decode(cls, text: bytes) -> Self:
        """Strict reader of `encode`'s form; raises MalformedError and nothing else."""
        try:
            return msgspec.json.decode(text, type=cls)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedError(str(error)) from None


class TopicKind(StrEnum):
    """Content of a topic of one node."""

    READINGS = "readings"
    STATUS = "status"
    HEALTH = "health"
    STORED = "stored"
    CONFIG = "config"


_KINDS = frozenset(TopicKind)
_TOPIC = re.compile(r"pw/v1/([a-z0-9][a-z0-9-]{0,62})/([a-z0-9][a-z0-9-]{0,62})/([a-z]+)")


class Topic(Struct, frozen=True, kw_only=True):
    """`pw/v1/{area}/{node}/{kind}`."""

    area: str
    node: str
    kind: TopicKind

    def __str__(self) -> str:
        return f"pw/v1/{self.area}/{self.node}/{self.kind}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a topic. Raises MalformedError if it is not a topic of a node."""
        match = _TOPIC.fullmatch(text)
        if match is None or match[3] not in _KINDS:
            msg = f"not a topic of a node: {text[:120]!r}"
            raise MalformedError(msg)
        return cls(area=match[1], node=match[2], kind=TopicKind(match[3]))


def is_guest(name: str) -> bool:
    """Whether this is the id of a guest node, or of its station: a sensor of somebody else, which signs nothing.

    The class is part of the id, so that it stands in every batch, key and evidence file and can never change.
    """
    return name.startswith(GUEST_PREFIX)


def is_mobile(station: str) -> bool:
    """Whether this is the id of a station that moves, such as a car: its readings are of no place but their own."""
    return station.startswith(MOBILE_PREFIX)


def live_topic(area: str) -> str:
    """Return the topic of the newest observations and event changes of an area."""
    return f"pw/v1/{area}/live"


def generate_incarnation() -> str:
    """A fresh random id for a spool file."""
    return "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz234567") for _ in range(12))


def digest_payload(payload: bytes) -> str:
    """Digest of a signed batch as StoredRanges has it: the first 16 bytes of SHA-256 in hexadecimal."""
    return hashlib.sha256(payload).hexdigest()[:32]


def derive_incarnation(payload: bytes) -> str:
    """The incarnation under which a batch is sent again whose number belongs to other bytes.

    It follows from the bytes alone: the original and a copy that hold the same batch derive the same key, and the
    gateway stores it once.
    """
    return base64.b32encode(hashlib.sha256(b"incarnation\n" + payload).digest()[:8]).decode().lower()[:12]
