"""A small world with a public log: a node that signs, a log that grows, two witnesses, and evidence files about it."""

import base64
import json
from datetime import UTC, datetime

import msgspec
from nacl.signing import SigningKey

from edge_agent.signing import Signer
from edge_agent.wire import ReadingBatch
from gateway.quality.humidity_correction import HUMIDITY_GROWTH, AirHumidity, correct_for_humidity
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

ORIGIN = "piekwacht.example/log/ijmond"
STATION = "wijk-aan-zee"
NODE = "ijm-001"
INCARNATION = "abcdefghijkl"
START_MS = 1_796_176_800_000  # 2026-12-02T02:00:00Z
STEP_MS = 10_000
FIRST_NUMBER = 17
BATCHES = 4  # each of 30 s: the last of the minute before, the two of a minute, the first of the next minute
READINGS = 3
DETECTOR_PARAMETERS = b'{"threshold":2.29}'


def make_signer(name, seed):
    """A key that is the same in every run."""
    return Signer(name=name, private=SigningKey(bytes([seed]) * 32))


def format_time(milliseconds):
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Log(LeafLog):
    """A log whose key is the same in every run."""

    def __init__(self, origin=ORIGIN, seed=1):
        super().__init__(make_signer(origin, seed))


class World:
    """A log with the key of the node, rules, four batches of a minute and its neighbours, an event and a delivery."""

    def __init__(self, batches=BATCHES):
        self.log = Log()
        self.node = make_signer(NODE, 2)
        self.witnesses = [make_signer("ggd.example/w", 3), make_signer("dorpsraad.example/w", 4)]
        self.add_leaf(LeafKind.DETECTOR, ("peak@1#00000000",), b"{}")
        self.node_key_leaf = self.make_key_leaf()
        self.log.add(self.node_key_leaf.encode())
        self.rule_document = encode_canonically(describe_rule(HUMIDITY_GROWTH))
        self.rule_leaf = self.add_leaf(LeafKind.CORRECTION_RULE, ("kappa-koehler", "2"), self.rule_document)
        self.detector_label = f"peak@3#{hash_hex(DETECTOR_PARAMETERS)[:8]}"
        self.detector_leaf = self.add_leaf(LeafKind.DETECTOR, (self.detector_label,), DETECTOR_PARAMETERS)
        self.batches = {FIRST_NUMBER + i: self.make_batch(FIRST_NUMBER + i) for i in range(batches)}
        for number, payload in self.batches.items():
            self.log.add(describe_batch(NODE, INCARNATION, number, payload).encode())
        self.event_document = self.make_event()
        self.event_leaf = self.add_leaf(LeafKind.EVENT, ("r7zq4ogyzxa5hm3t", "2"), self.event_document)
        self.delivery_leaf = self.add_leaf(LeafKind.DELIVERY, ("3",), b"head of the deliveries")

    def add_leaf(self, kind, fields, document):
        leaf = Leaf(kind=kind, fields=fields, content=hash_content(document))
        self.log.add(leaf.encode())
        return leaf

    def make_key_leaf(self, *, node=NODE, station=STATION, start="2026-11-01T00:00:00.000Z", end="-", signer=None):
        content = str((signer or self.node).verifier)
        return Leaf(kind=LeafKind.NODE_KEY, fields=(node, station, start, end), content=content)

    def make_batch(self, number, *, signer=None, node=NODE, **changes):
        """Signed bytes of a batch of three readings, 10 s apart."""
        first_ms = START_MS + (number - FIRST_NUMBER - 1) * READINGS * STEP_MS
        fields = {
            "v": 1, "node": node, "inc": INCARNATION, "seq": number, "boot": "b", "t0": first_ms,
            "dt": [i * STEP_MS for i in range(READINGS)],
            "values": {"pm2_5": [12.5 + number, 30.25, None], "humidity": [80.0, 81.0 + number, 82.5]},
            "flags": {"pm2_5": [0, 64, 0]},
        }  # fmt: skip
        return (signer or self.node).sign(ReadingBatch(**(fields | changes)).encode())

    def make_event(self, **changes):
        event = {
            "id": "r7zq4ogyzxa5hm3t", "revision": 2, "station": STATION, "observedProperty": "pm2_5",
            "peakAt": self.claimed_time, "peak": 30.25, "detector": self.detector_label,
        }  # fmt: skip
        return encode_canonically(event | changes)

    @property
    def claimed_time(self):
        return format_time(START_MS + STEP_MS)

    def policy(self, quorum="all", log=None):
        names = [witness.name.partition(".")[0] for witness in self.witnesses]
        lines = [f"log {(log or self.log).signer.verifier}"]
        lines += [f"witness {name} {WitnessKey.of(key)}" for name, key in zip(names, self.witnesses, strict=True)]
        lines += [f"group both {quorum} {' '.join(names)}", "quorum both"] if quorum != "none" else ["quorum none"]
        return "\n".join(lines) + "\n"

    def note(self, *, log=None, size=None, witnesses=None, time=1_796_180_000):
        """Signed and cosigned checkpoint."""
        log = log or self.log
        checkpoint = log.checkpoint(size)
        note = checkpoint.sign(log.signer)
        for witness in self.witnesses if witnesses is None else witnesses:
            note += cosign(witness, checkpoint.encode(), time)
        return note

    def find(self, entry, log=None):
        return (log or self.log).leaves.index(entry)

    def evidence(self, *, number=FIRST_NUMBER + 1, note=None, log=None, rules=True, events=False, policy=None):
        """A true evidence file about the second reading of PM2.5 in a batch."""
        log = log or self.log
        note = note or self.note(log=log)
        size = int(note.split(b"\n")[1])

        def prove(entry):
            return log.prove(self.find(entry, log), note, size)

        def batch(item):
            leaf = describe_batch(NODE, INCARNATION, item, self.batches[item])
            return SignedBatch(
                node=NODE, incarnation=INCARNATION, number=item,
                signed=base64.b64encode(self.batches[item]).decode(), proof=prove(leaf.encode()),
            )  # fmt: skip

        def document(text, leaf):
            return LoggedDocument(document=text.decode(), leaf=leaf.encode().decode(), proof=prove(leaf.encode()))

        def logged(leaf):
            return LoggedLeaf(leaf=leaf.encode().decode(), proof=prove(leaf.encode()))

        rule_list = [document(self.rule_document, self.rule_leaf)] if rules else []
        event_list = [document(self.event_document, self.event_leaf)] if events else []
        if events:
            rule_list.append(document(DETECTOR_PARAMETERS, self.detector_leaf))
        return EvidenceFile(
            claim=self.claim(number, corrected=rules),
            batch=batch(number),
            node_key=logged(self.node_key_leaf),
            events=event_list,
            deliveries=[logged(self.delivery_leaf)] if events else [],
            rules=rule_list,
            policy=policy or self.policy(log=log),
            minute_batches=[batch(item) for item in self.batches if item != number] if rules else [],
        )

    def claim(self, number=FIRST_NUMBER + 1, *, corrected=True):
        at_ms = START_MS + (number - FIRST_NUMBER - 1) * READINGS * STEP_MS + STEP_MS
        return ClaimedValue(
            station=STATION, node=NODE, observed_property="pm2_5", observed_at=format_time(at_ms),
            value=30.25, flags=64,
            published=PublishedValue(
                value=30.25, flags=["humidity"], corrected=self.corrected_value() if corrected else None,
                rule="kappa-koehler 2" if corrected else None,
            ),
        )  # fmt: skip

    def corrected_value(self):
        humidity = [80.0, 81.0 + FIRST_NUMBER + 1, 82.5, 80.0, 81.0 + FIRST_NUMBER + 2, 82.5]
        mean = sum(humidity) / len(humidity)
        return correct_for_humidity(30.25, AirHumidity(percent=mean, flags=0))[0]


def describe_rule(rule):
    """The document of a correction rule."""
    fields = {name: getattr(rule, name) for name in rule.__struct_fields__}
    return fields | {"parameters": dict(rule.parameters)}


def hash_hex(content):
    return base64.b64decode(hash_content(content)).hex()


def replace(evidence, path, value):
    """Copy of an evidence file in which the thing at this path (`claim.published.value`) has another value."""
    tree = json.loads(evidence.encode())
    *parents, last = [int(part) if part.isdecimal() else part for part in path.split(".")]
    place = tree
    for part in parents:
        place = place[part]
    place[last] = value
    return json.dumps(tree).encode()


def decode(content):
    return msgspec.json.decode(content)
