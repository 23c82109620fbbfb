"""Evidence files: what the database and the public log have about one value or one batch.

The routes call it. Raises HTTPException 404 with a sentence if the log does not prove the batch yet or any more.
"""

import asyncio
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import json
from starlette.exceptions import HTTPException  # that of fastapi would load it, and dossiers do not need it

from edge_agent.wire import ReadingBatch, split_note
from gateway.api.data.registry import PublicRegistry
from gateway.api.schemas.observations import flag_names
from gateway.export.corrected import build_corrector
from gateway.export.selection import Averaging
from gateway.model.timestamps import format_instant, to_ms
from gateway.transparency.errors import ProofError
from gateway.transparency.leaf import Leaf
from gateway.transparency.log_folder import LogFolder
from gateway.transparency.proofs import Prover, ProverCache, UnpublishedError
from gateway.transparency.settings import PublicLogSettings
from gateway.transparency.sources import rule_prefix
from gateway.verification.evidence_file import (
    ClaimedValue,
    EvidenceFile,
    HeadTimeStamp,
    LoggedDocument,
    LoggedLeaf,
    PublishedValue,
    SignedBatch,
)

if TYPE_CHECKING:
    from gateway.api.data.database import QuerySource

_RANGES = "correction-rule ranges-of-properties "


@dataclass(frozen=True, kw_only=True)
class LoggedBatch:
    """A stored batch with its place in a log; `area` and `leaf` None: it has no index yet."""

    id: int
    node: str
    incarnation: str
    number: int
    payload: bytes
    received_at: datetime
    area: str | None
    leaf: int | None

    def describe(self) -> str:
        """Name the batch in a sentence."""
        return f"batch {self.number} of {self.node} ({self.incarnation})"


@dataclass(frozen=True, kw_only=True)
class StoredLeaf:
    """A leaf that is not of a batch."""

    number: int
    entry: str
    document: str | None


@dataclass(frozen=True, kw_only=True)
class ReadingAt:
    """The stored reading of a time; `flags` with those of the gateway."""

    datastream: int
    observed_at: datetime
    value: float | None
    flags: int
    batch: int
    node: str
    stamped_at: datetime | None


async def fetch_batch(database: "QuerySource", node: str, incarnation: str, number: int) -> LoggedBatch:
    """The batch with this key. HTTPException 404 if it is not stored."""
    values = {"node": node, "incarnation": incarnation, "number": number}
    batches = await database.fetch(LoggedBatch, "select_logged_batch", values)
    if not batches:
        raise HTTPException(404, f"no batch {number} of {node[:80]!r} ({incarnation[:80]!r}) is stored")
    return batches[0]


class LogProvers:
    """Provers of the logs of these settings; each log is opened once."""

    def __init__(self, settings: PublicLogSettings | None) -> None:
        self._settings = settings
        self._caches: dict[str, ProverCache] = {}

    def of_area(self, area: str) -> ProverCache:
        """Provers of the log of an area. HTTPException 404 without a public log."""
        settings = self.require_log()
        if area not in self._caches:
            self._caches[area] = ProverCache(LogFolder.of(settings, area))
        return self._caches[area]

    def require_log(self) -> PublicLogSettings:
        """The settings. HTTPException 404 without a public log."""
        if self._settings is None:
            raise HTTPException(404, "this installation has no public log")
        return self._settings


def open_provers(logs: LogProvers, batch: LoggedBatch) -> tuple[ProverCache, Prover, int]:
    """Provers of the log that has this batch, that of the newest head, and the index of the leaf.

    HTTPException 404 if no log has it yet.
    """
    if batch.area is None or batch.leaf is None:
        logs.require_log()
        raise HTTPException(404, f"{batch.describe()} is stored and not yet in the public log; ask again shortly")
    provers = logs.of_area(batch.area)
    try:
        return provers, provers.open(), batch.leaf
    except UnpublishedError as error:
        raise HTTPException(404, f"{batch.describe()}: {error}") from None


async def prove_batch(settings: PublicLogSettings | None, batch: LoggedBatch) -> str:
    """Text of the `.tlog-proof` of a batch. HTTPException 404 if the published log does not have it yet."""
    return await asyncio.to_thread(_prove_batch, settings, batch)


def _prove_batch(settings: PublicLogSettings | None, batch: LoggedBatch) -> str:
    _, prover, leaf = open_provers(LogProvers(settings), batch)
    return _prove(prover, leaf, batch.describe())


def _prove(prover: Prover, leaf: int, name: str) -> str:
    try:
        return prover.prove(leaf)
    except UnpublishedError as error:
        raise HTTPException(404, f"{name}: {error}") from None
    except ProofError as error:
        raise HTTPException(503, f"{name} cannot be proven now: {error}") from None


class EvidenceBuilder:
    """Collects what one evidence file has; all its proofs lead to one head."""

    def __init__(self, database: "QuerySource", logs: LogProvers, batch: LoggedBatch) -> None:
        """HTTPException 404 if the batch is in no published head, or its signed bytes were deleted."""
        self._database, self._batch = database, batch
        self._provers, self._prover, self._leaf = open_provers(logs, batch)
        if not batch.payload:
            raise HTTPException(
                404, f"the signed bytes of {batch.describe()} were deleted: see the removals in the log"
            )

    async def build(self, claim: "Claim | None") -> EvidenceFile:
        """Build the file of the claim, or of the batch alone."""
        events = [] if claim is None else await self._fetch("select_event_leaves", **claim.parameters())
        parts = _Parts(
            key=await self._fetch_key(),
            events=events,
            rules=[] if claim is None else await self._fetch_rules(claim, events),
            deliveries=await self._fetch_deliveries(events),
            minute_batches=[] if claim is None else await self._fetch_minute(claim),
        )
        return await asyncio.to_thread(self._prove, claim, parts)

    def build_with_key(self, key: StoredLeaf) -> EvidenceFile:
        """Build the file of the batch alone, with the statement about the key of its node."""
        return self._prove(None, _Parts(key=key, events=[], rules=[], deliveries=[], minute_batches=[]))

    def _prove(self, claim: "Claim | None", parts: "_Parts") -> EvidenceFile:
        documents = [*parts.events, *parts.rules, *parts.deliveries]
        numbers = [leaf.number for leaf in self._published(documents)]
        numbers += [batch.leaf for batch in parts.minute_batches if self._is_provable(batch) and batch.leaf is not None]
        highest = max((self._leaf, parts.key.number, *numbers))
        self._prover = self._provers.open_stamped(highest) or self._prover
        return EvidenceFile(
            claim=None if claim is None else claim.value,
            batch=self._sign(self._batch),
            node_key=self._prove_leaf(parts.key),
            events=list(self._documents(parts.events)),
            deliveries=[self._prove_leaf(leaf) for leaf in self._published(parts.deliveries)],
            rules=list(self._documents(parts.rules)),
            policy=self._prover.folder.read_policy() or "",
            time_stamp=self._read_time_stamp(),
            minute_batches=[self._sign(batch) for batch in parts.minute_batches if self._is_provable(batch)],
        )

    def _prove_leaf(self, leaf: StoredLeaf) -> LoggedLeaf:
        return LoggedLeaf(leaf=leaf.entry, proof=_prove(self._prover, leaf.number, f"leaf {leaf.number}"))

    async def _fetch_key(self) -> StoredLeaf:
        """The key of the node, stated before the batch."""
        values = {"node": self._batch.node, "at": self._batch.received_at, "leaf": self._leaf}
        keys = await self._fetch("select_node_key_leaf", **values)
        if not keys:
            raise HTTPException(404, f"the key of {self._batch.node} is not in the public log yet; ask again shortly")
        return keys[0]

    async def _fetch(self, query: str, **values: object) -> list[StoredLeaf]:
        return await self._database.fetch(StoredLeaf, query, {"area": self._batch.area, **values})

    async def _fetch_rules(self, claim: "Claim", events: Sequence[StoredLeaf]) -> list[StoredLeaf]:
        rule = claim.value.published.rule
        detectors = {_read_detector(event) for event in events}
        prefixes = [_RANGES, *(f"detector {name}" for name in sorted(detectors))]
        if rule is not None:
            prefixes.insert(0, rule_prefix(rule))
        leaves = [await self._fetch("select_newest_leaf", prefix=_escape(prefix)) for prefix in prefixes]
        return [leaf for items in leaves for leaf in items]

    async def _fetch_deliveries(self, events: Sequence[StoredLeaf]) -> list[StoredLeaf]:
        patterns = [f'%"event":"{_escape(Leaf.parse(event.entry.encode()).fields[0])}"%' for event in events]
        return await self._fetch("select_delivery_leaves", patterns=patterns) if patterns else []

    async def _fetch_minute(self, claim: "Claim") -> list[LoggedBatch]:
        """Batches besides the one of the claim from which its correction can be computed again."""
        values = {"ids": claim.humidity_ids, "start": claim.minute}
        rows = await self._database.fetch_rows("select_minute_batches", values) if claim.humidity_ids else []
        ids = [id_ for (id_,) in rows if id_ != self._batch.id]
        return await self._database.fetch(LoggedBatch, "select_logged_batches", {"ids": ids}) if ids else []

    def _documents(self, leaves: Iterable[StoredLeaf]) -> Iterator[LoggedDocument]:
        for leaf in self._published(leaves):
            proven = self._prove_leaf(leaf)
            yield LoggedDocument(document=leaf.document or "", leaf=proven.leaf, proof=proven.proof)

    def _published(self, leaves: Iterable[StoredLeaf]) -> Iterator[StoredLeaf]:
        return (leaf for leaf in leaves if leaf.number < self._prover.checkpoint.size)

    def _is_provable(self, batch: LoggedBatch) -> bool:
        is_published = batch.leaf is not None and batch.leaf < self._prover.checkpoint.size
        return is_published and batch.area == self._batch.area and len(batch.payload) > 0

    def _sign(self, batch: LoggedBatch) -> SignedBatch:
        return SignedBatch(
            node=batch.node,
            incarnation=batch.incarnation,
            number=batch.number,
            signed=b64encode(batch.payload).decode(),
            proof=_prove(self._prover, batch.leaf or 0, batch.describe()),
        )

    def _read_time_stamp(self) -> HeadTimeStamp | None:
        size = self._prover.checkpoint.size
        token = self._prover.folder.read_time_stamp(size)
        return None if token is None else HeadTimeStamp(size=size, token=b64encode(token).decode())


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """Rows of the database that a file is made of."""

    key: StoredLeaf
    events: Sequence[StoredLeaf]
    rules: Sequence[StoredLeaf]
    deliveries: Sequence[StoredLeaf]
    minute_batches: Sequence[LoggedBatch]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The value that a file is about, and what its correction depends on."""

    value: ClaimedValue
    batch: LoggedBatch
    at: datetime
    humidity_ids: Sequence[int]

    @property
    def minute(self) -> datetime:
        """Begin of the minute of the reading."""
        return self.at.replace(second=0, microsecond=0)

    def parameters(self) -> dict[str, object]:
        """Parameters of the query for events that cover the value."""
        return {"station": self.value.station, "property": self.value.observed_property, "at": self.at}


async def fetch_claim(
    database: "QuerySource", registry: PublicRegistry, station: str, name: str, at: datetime
) -> Claim:
    """The value of property `name` at a station at this time. HTTPException 404 if there is none."""
    ids = list(registry.datastreams_of(station, name))
    readings = await database.fetch(ReadingAt, "select_reading_at", {"ids": ids, "at": at})
    if not readings:
        raise HTTPException(404, f"{station} has no reading of {name} at {format_instant(at)}")
    reading = readings[0]
    batches = await database.fetch(LoggedBatch, "select_logged_batches", {"ids": [reading.batch]})
    if not batches or not batches[0].payload:
        raise HTTPException(404, "the signed bytes of this reading were deleted: see the removals in the log")
    published = await _publish_value(database, registry, station, name, reading)
    stamped_at = reading.stamped_at or reading.observed_at
    value, flags = _find_signed_value(batches[0].payload, name, to_ms(stamped_at))
    claimed = ClaimedValue(
        station=station,
        node=reading.node,
        observed_property=name,
        observed_at=format_instant(reading.observed_at),
        value=value,
        flags=flags,
        published=published,
        stamped_at=None if reading.stamped_at is None else format_instant(reading.stamped_at),
    )
    humidity = registry.humidity_sources([reading.datastream]) if published.rule is not None else {}
    return Claim(value=claimed, batch=batches[0], at=reading.observed_at, humidity_ids=list(humidity.values()))


async def _publish_value(
    database: "QuerySource", registry: PublicRegistry, station: str, name: str, reading: ReadingAt
) -> PublishedValue:
    period = reading.observed_at, reading.observed_at + timedelta(microseconds=1)
    selection = registry.build_selection(station, name, period, Averaging.RAW, [reading.datastream])
    correct = await build_corrector(selection, *period, database.fetch_rows)
    corrected, _, label = correct(reading.datastream, reading.observed_at, reading.value, 1, reading.flags)
    return PublishedValue(
        value=reading.value,
        flags=flag_names(reading.flags),
        corrected=corrected,
        rule=None if label is None else label.replace("@", " "),
    )


def _find_signed_value(payload: bytes, name: str, at_ms: int) -> tuple[float | None, int]:
    """Value and flags of a reading as they stand in the signed batch."""
    batch = ReadingBatch.decode(split_note(payload)[0])
    for offset, value, flags in zip(
        batch.dt, batch.values.get(name, []), batch.flags.get(name, [0] * len(batch.dt)), strict=False
    ):
        if batch.t0 + offset == at_ms:
            return value, flags
    raise HTTPException(404, "the signed batch of this reading does not have it: the stored reading was changed")


def _read_detector(event: StoredLeaf) -> str:
    return str(json.decode(event.document or "{}").get("detector", ""))


def _escape(text: str) -> str:
    """Text for LIKE, so that it stands for itself."""
    return text.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
