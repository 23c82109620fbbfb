"""The step about a node's key: the log names it for this node and station, before the batch and at its time. Pure."""

from msgspec import Struct

from edge_agent.signing import NoteError, Verifier
from gateway.transparency.errors import ProofError
from gateway.transparency.leaf import Leaf, LeafKind
from gateway.verification.batch_steps import OpenedBatch
from gateway.verification.evidence_file import ClaimedValue, LoggedLeaf
from gateway.verification.membership import HeadJudge, Membership
from gateway.verification.moment import NO_LIMIT, parse_moment
from gateway.verification.step import StepState, VerificationStep, make_step
from gateway.verification.weak_keys import is_weak_key

_OPEN = "-"


class NodeKey(Struct, frozen=True, kw_only=True):
    """Key of a node at a station from a time up to another, in ms since 1970."""

    node: str
    station: str
    from_ms: int
    until_ms: int
    verifier: Verifier


def read_node_key(text: str) -> NodeKey:
    """Read the text of a leaf with a node's key. Raises ProofError with the reason."""
    leaf = Leaf.parse(text.encode())
    if leaf.kind is not LeafKind.NODE_KEY:
        raise ProofError(f"the leaf of the node's key is of the kind {leaf.kind}")
    node, station, start, end = leaf.fields
    verifier = _read_verifier(node, leaf.content)
    from_ms = -NO_LIMIT if start == _OPEN else parse_moment(start)
    until_ms = NO_LIMIT if end == _OPEN else parse_moment(end)
    return NodeKey(node=node, station=station, from_ms=from_ms, until_ms=until_ms, verifier=verifier)


def _read_verifier(node: str, content: str) -> Verifier:
    try:
        verifier = Verifier.parse(content)
    except NoteError as error:
        raise ProofError(f"the key of {node}: {error}") from None
    if str(verifier) != content or verifier.name != node:
        raise ProofError(f"the key of {node} is not written in its only form under its name")
    if is_weak_key(verifier.public):
        raise ProofError(f"the key of {node} has a small order: its signatures fit any text")
    return verifier


def check_node_key(
    evidence: LoggedLeaf, opened: OpenedBatch, claim: ClaimedValue | None, node: str, judge: HeadJudge
) -> VerificationStep:
    """Step of the node's key. Without a claim it must be valid for all readings of the batch, at any station."""
    membership = judge.find_leaf(evidence.leaf.encode(), evidence.proof)
    compared = {"index": membership.index, "size": membership.size}
    try:
        key = read_node_key(evidence.leaf)
        _check_place(membership, opened.membership)
        _check_period(key, opened, claim, node)
    except ProofError as error:
        return make_step("node_key", StepState.FALSE, compared=compared, reason=str(error), values={"node": node})
    compared["key id"] = key.verifier.key_id.hex()  # type: ignore[assignment]
    return make_step(
        "node_key",
        StepState.OK,
        compared=compared,
        values={"node": node, "station": key.station, "index": membership.index},
    )


def _check_place(key: Membership, batch: Membership) -> None:
    if key.whole_fault:
        raise ProofError(key.whole_fault)
    if key.origin != batch.origin:
        raise ProofError(f"the key is in the log {key.origin}, the batch in {batch.origin or 'none'}")
    if key.index >= batch.index:
        raise ProofError(f"the key is leaf {key.index}: it was added after the batch, which is leaf {batch.index}")


def _check_period(key: NodeKey, opened: OpenedBatch, claim: ClaimedValue | None, node: str) -> None:
    if key.node != node:
        raise ProofError(f"the key belongs to {key.node}")
    if claim is not None and claim.station != key.station:
        raise ProofError(f"the key belongs to the station {key.station}, not to {claim.station}")
    stamps = opened.stamps() if claim is None else [parse_moment(claim.observed_at)]
    if not stamps or not (key.from_ms <= min(stamps) and max(stamps) < key.until_ms):
        raise ProofError("the key was not valid at that time")
