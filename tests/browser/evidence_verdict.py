"""The verdict of the Python core about an evidence file, to compare that of the browser with."""

import base64
from datetime import UTC, datetime, timedelta

from edge_agent.signing import Verifier, decode_base64, split_note
from edge_agent.wire import EXCLUDED_FLAGS, Flag, ReadingBatch
from gateway.transparency.checkpoint import read_checkpoint
from gateway.transparency.errors import ProofError
from gateway.transparency.leaf import Leaf, LeafKind, describe_batch
from gateway.transparency.merkle import check_inclusion, hash_leaf
from gateway.transparency.policy import Policy
from gateway.transparency.proof_file import LogProof
from gateway.verification.evidence_file import EvidenceFile

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def judge(content: bytes, policy_text: str | None = None) -> str:
    """`false`, `incomplete` (no witness is demanded), `partly`, or `ok` as the page calls them."""
    try:
        evidence = EvidenceFile.parse(content)
        policy = Policy.parse(evidence.policy if policy_text is None else policy_text)
        has_doubt = _check(evidence, policy)
    except ValueError:  # ProofError, NoteError and MalformedError are such
        return "false"
    if policy.quorum is None:
        return "incomplete"
    has_rest = (
        evidence.events or evidence.deliveries or evidence.rules or evidence.minute_batches or evidence.time_stamp
    )
    return "partly" if policy_text is None or has_doubt or has_rest else "ok"


def _check(evidence: EvidenceFile, policy: Policy) -> bool:
    """Whether something is left in doubt. Raises ValueError for what is false."""
    item = evidence.batch
    signed = decode_base64(item.signed)
    batch = ReadingBatch.decode(split_note(signed)[0])
    require((batch.node, batch.inc, batch.seq) == (item.node, item.incarnation, item.number))
    entry = describe_batch(item.node, item.incarnation, item.number, signed).encode()
    index, head = _prove(entry, item.proof, policy)
    key_leaf = Leaf.parse(evidence.node_key.leaf.encode())
    require(key_leaf.kind is LeafKind.NODE_KEY)
    key_index, key_head = _prove(key_leaf.encode(), evidence.node_key.proof, policy)
    require(read_checkpoint(head).origin == read_checkpoint(key_head).origin and key_index < index)
    node, station, since, until = key_leaf.fields
    verifier = Verifier.parse(key_leaf.content)
    verifier.open(signed)
    require(node == item.node == verifier.name)
    claim = evidence.claim
    stamps = [batch.t0 + step for step in batch.dt] if claim is None else [_read_ms(claim.observed_at)]
    require(since == "-" or _read_ms(since) <= min(stamps))
    require(until == "-" or max(stamps) < _read_ms(until))
    has_doubt = _compare_heads(head, key_head, policy)
    if claim is None:
        return has_doubt
    require(claim.station == station and claim.node == node)
    stamp = claim.stamped_at or claim.observed_at
    require((claim.value, claim.flags) in _find_readings(batch, claim.observed_property, _read_ms(stamp)))
    return _check_published(evidence) or has_doubt or stamp != claim.observed_at


def _prove(entry: bytes, text: str, policy: Policy) -> tuple[int, bytes]:
    proof = LogProof.parse(text.encode())
    checkpoint, _ = policy.open(proof.checkpoint)
    check_inclusion(proof.index, checkpoint.size, hash_leaf(entry), proof.hashes, checkpoint.root)
    return proof.index, proof.checkpoint


def _compare_heads(first: bytes, second: bytes, policy: Policy) -> bool:
    older, newer = sorted((policy.open(note) for note in (first, second)), key=lambda opened: opened[0].size)
    if older[0].size == newer[0].size:
        require(older[0].root == newer[0].root)
        return False
    times = {item.witness: item.time for item in older[1]}
    common = [item for item in newer[1] if item.witness in times]
    require(all(item.time >= times[item.witness] for item in common))
    return not common


def _find_readings(batch: ReadingBatch, name: str, at: int) -> list[tuple[float | None, int]]:
    values = batch.values.get(name, [None] * len(batch.dt))
    flags = batch.flags.get(name, [0] * len(batch.dt))
    readings = zip(batch.dt, values, flags, strict=True)
    return [(value, bits) for step, value, bits in readings if name in batch.values and batch.t0 + step == at]


def _check_published(evidence: EvidenceFile) -> bool:
    claim = evidence.claim
    assert claim is not None
    published = claim.published
    known_names = {str(flag.name).lower(): flag for flag in Flag}
    require(set(published.flags) <= known_names.keys())
    is_hidden = published.value is None and any(known_names[name] & EXCLUDED_FLAGS for name in published.flags)
    require(published.value == claim.value or is_hidden)
    node_flags = {name for name, flag in known_names.items() if claim.flags & flag}
    require(node_flags <= set(published.flags))
    has_correction = published.corrected is not None or published.rule is not None
    return bool(has_correction or set(published.flags) - node_flags)


def _read_ms(text: str) -> int:
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(milliseconds=1)


def require(condition: object) -> None:
    if not condition:
        raise ProofError("false")


def flip_base64(text: str, position: int) -> str:
    """The same base64 with one byte changed."""
    content = bytearray(base64.b64decode(text))
    content[position % len(content)] ^= 1
    return base64.b64encode(content).decode()
