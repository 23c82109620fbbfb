"""A public log in memory: nodes with keys, signed batches, witnesses, and evidence files made by the real code."""

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from msgspec import structs

from edge_agent.wire import ReadingBatch, Signer
from gateway.transparency.cosignature import WitnessKey, cosign
from gateway.transparency.leaf import Leaf, LeafKind, describe_batch, encode_canonically, hash_content
from gateway.verification.evidence_file import (
    ClaimedValue,
    EvidenceFile,
    LoggedDocument,
    LoggedLeaf,
    PublishedValue,
    SignedBatch,
)
from tests.gateway.transparency.leaf_log import LeafLog

NODE, STATION, INCARNATION = "ijm-001", "wijk-aan-zee", "abcdefghijkl"
T0 = 1_795_917_600_000  # 2026-11-29T02:00:00Z
AT = "2026-11-29T02:00:01.000Z"
ORIGIN = "piekwacht.example/log/ijmond"
COSIGNED_AT = 1_795_917_610


@dataclass
class EvidenceWorld:
    """A log with a node key, then batches; the head is made anew for each proof."""

    origin: str = ORIGIN
    period: tuple[str, str] = ("2026-01-01T00:00:00.000Z", "-")
    node: Signer = field(default_factory=lambda: Signer.generate(NODE))
    witnesses: tuple[Signer, ...] = field(
        default_factory=lambda: (Signer.generate("ggd.example/w"), Signer.generate("dorpsraad.example/w"))
    )

    def __post_init__(self) -> None:
        """Make the log's key, and enrol the node after two other leaves."""
        self.log = Signer.generate(self.origin)
        self.leaf_log = LeafLog(self.log)
        for number in range(2):
            self.add(Leaf(kind=LeafKind.DETECTOR, fields=(f"v{number}",), content="parameters"))
        self.key_leaf = self.make_key_leaf(*self.period)
        self.key_index = self.add(self.key_leaf)

    def make_key_leaf(self, since: str, until: str) -> Leaf:
        fields = (self.node.name, STATION, since, until)
        return Leaf(kind=LeafKind.NODE_KEY, fields=fields, content=str(self.node.verifier))

    def add(self, leaf: Leaf) -> int:
        """Append a leaf; return its index."""
        return self.leaf_log.add(leaf.encode())

    def sign_batch(self, number: int = 17, **fields: Any) -> bytes:
        """Signed bytes of a batch of ten seconds with pm2_5 and humidity."""
        readings = {"pm2_5": [8.1, 12.5, 8.3], "humidity": [60, 61.5, None]}
        content = {"t0": T0, "dt": [0, 1000, 2000], "values": readings, "flags": {"humidity": [0, 64, 64]}}
        batch = {"v": 1, "node": NODE, "inc": INCARNATION, "seq": number, "boot": "boot-1", **content, **fields}
        return self.node.sign(ReadingBatch(**batch).encode())

    def sign_head(self, witnesses: tuple[Signer, ...] | None = None, *, origin: str | None = None) -> bytes:
        """Checkpoint of all entries with its cosignatures."""
        head = structs.replace(self.leaf_log.checkpoint(), origin=origin or self.origin)
        signer = self.log if origin is None else Signer.generate(origin)
        lines = [
            cosign(witness, head.encode(), COSIGNED_AT)
            for witness in (self.witnesses if witnesses is None else witnesses)
        ]
        return head.sign(signer) + b"".join(lines)

    def prove(self, index: int, head: bytes | None = None) -> str:
        return self.leaf_log.prove(index, head or self.sign_head())

    def write_policy(self, quorum: str = "both", group: str = "all") -> str:
        ggd, dorpsraad = (WitnessKey.of(witness) for witness in self.witnesses)
        lines = (f"log {self.log.verifier}", f"witness ggd {ggd}", f"witness dorpsraad {dorpsraad}")
        return "\n".join((*lines, f"group both {group} ggd dorpsraad", f"quorum {quorum}", ""))

    def claim(self, **fields: Any) -> ClaimedValue:
        """The second reading of pm2_5 in the batch of `sign_batch`."""
        published = PublishedValue(value=fields.get("value", 12.5), flags=[], corrected=None, rule=None)
        content = {"observed_property": "pm2_5", "observed_at": AT, "value": 12.5, "flags": 0, "published": published}
        return ClaimedValue(**{"station": STATION, "node": NODE, **content, **fields})

    def make_evidence(self, **fields: Any) -> EvidenceFile:
        """Evidence of one batch among others: true in every part, unless `fields` replace a part."""
        signed = self.sign_batch()
        index = self.add(describe_batch(NODE, INCARNATION, 17, signed))
        for number in range(18, 22):
            self.add(describe_batch(NODE, INCARNATION, number, self.sign_batch(number)))
        head = self.sign_head()
        batch = SignedBatch(
            node=NODE, incarnation=INCARNATION, number=17, signed=encode_base64(signed), proof=self.prove(index, head)
        )
        node_key = LoggedLeaf(leaf=self.key_leaf.encode().decode(), proof=self.prove(self.key_index, head))
        content = {"claim": self.claim(), "batch": batch, "node_key": node_key, "policy": self.write_policy()}
        return EvidenceFile(**{**content, **fields})

    def log_document(self, document: dict[str, Any], kind: LeafKind, fields: tuple[str, ...]) -> LoggedDocument:
        """Put a document into the log."""
        content = encode_canonically(document)
        leaf = Leaf(kind=kind, fields=fields, content=hash_content(content))
        index = self.add(leaf)
        return LoggedDocument(document=content.decode(), leaf=leaf.encode().decode(), proof=self.prove(index))


def encode_base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def to_dict(evidence: EvidenceFile) -> dict[str, Any]:
    """The file as an object whose parts a test can change."""
    return json.loads(evidence.encode())
