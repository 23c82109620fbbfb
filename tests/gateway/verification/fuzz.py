"""Noise to the verifiers for as long as one likes: `python -m tests.gateway.verification.fuzz --seconds 3600`.

Changed evidence, proofs, checkpoints, policies, leaves, tiles and ZIP dossiers: each ends in a sentence. Nothing but
ProofError is raised, changed evidence is never called true, and the package and verify.py give the same verdict.
Exit 1: a law was broken; the seed repeats it.
"""

import argparse
import base64
import hashlib
import io
import json
import random
import re
import sys
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import msgspec

from edge_agent.signing import split_note
from gateway.transparency.checkpoint import read_checkpoint
from gateway.transparency.errors import ProofError
from gateway.transparency.leaf import Leaf, describe_batch
from gateway.transparency.logged_state import LoggedState
from gateway.transparency.policy import Policy
from gateway.transparency.proof_file import LogProof
from gateway.transparency.range_proof import prove_range
from gateway.transparency.tiles import Tile, decode_entries, hash_reader
from gateway.verification.batch_steps import read_batch
from gateway.verification.detection_check import check_detection
from gateway.verification.detection_file import (
    DetectedRegistry,
    DetectionLeaf,
    RepeatedEvent,
    StartState,
)
from gateway.verification.dossier_check import check_dossier, read_manifest
from gateway.verification.dossier_files import ZipFiles
from gateway.verification.evidence_check import EvidenceChecker, TrustedByReader
from gateway.verification.evidence_file import EvidenceFile
from gateway.verification.membership import read_policy
from gateway.verification.node_key_step import read_node_key
from gateway.verification.standalone import verify
from gateway.verification.step import Verdict
from tests.gateway.verification.detection_text import DetectionFile, parts_of
from tests.gateway.verification.world import FIRST_NUMBER, INCARNATION, NODE, START_MS, World

_TOKENS = (
    b"\n", b"\n\n", b" ", b"+", b"=", b"\x00", b"\xff", "— ".encode(), b"-1", b"0", b"00", b"1e999", b"NaN", b"null",
    b"{}", b"[]", b'"', b"\\", b"\\ud800", b"extra x\n", b"index 0", b"9" * 30, b"9" * 5000, b"[" * 3000, b"true",
)  # fmt: skip


def change(noise: random.Random, content: bytes) -> bytes:
    """Flip, cut, repeat, swap or insert something, once to three times."""
    for _ in range(noise.choice((1, 1, 1, 2, 3))):
        at, other = sorted(noise.randrange(len(content) + 1) for _ in range(2))
        part = content[at : min(other, at + noise.choice((1, 4, 60, 1000)))]
        match noise.randrange(7):
            case 0:
                bits = bytes([(content[at] if at < len(content) else 0) ^ 1 << noise.randrange(8)])
                content = content[:at] + bits + content[at + 1 :]
            case 1:
                content = content[:at]
            case 2:
                content = content[:at] + content[at + len(part) :]
            case 3:
                content = content[:at] + part + content[at:]
            case 4:
                content = content[:at] + noise.choice(_TOKENS) + content[at:]
            case 5:
                content = content[:at] + noise.randbytes(len(part)) + content[at + len(part) :]
            case 6:
                content = content[:at] + part[::-1] + content[at + len(part) :]
    return content


def change_tree(noise: random.Random, content: bytes) -> bytes:
    """Change one value within the JSON: a text by `change`, others by a value of another kind."""
    tree = json.loads(content)
    place, key, value = None, None, tree
    while isinstance(value, dict | list) and value:
        place, key = value, noise.choice(list(value) if isinstance(value, dict) else range(len(value)))
        value = place[key]
        if noise.random() < 0.1:
            break
    if isinstance(value, str) and noise.random() < 0.9:
        place[key] = change(noise, value.encode()).decode(errors="replace")
    else:
        place[key] = noise.choice([None, 0, -1, 2**63, 1.5, 1e300, "", "x", [], {}, True, [[]], noise.random()])
    return json.dumps(tree).encode()


def noise_to_evidence(noise: random.Random, rounds: int, world: World) -> None:
    """Changed evidence is never true; both verifiers agree."""
    original = world.evidence(events=noise.random() < 0.3, rules=noise.random() < 0.8)
    content = original.encode()
    own = read_policy(world.policy()), verify.read_policy(world.policy())
    for _ in range(rounds):
        changed = noise.choice((change, change_tree))(noise, content)
        is_own = noise.random() < 0.7
        checker = EvidenceChecker(TrustedByReader(policy=own[0] if is_own else None))
        verdict = Verdict(steps=(*checker.check(changed), *checker.check_heads()))
        alone = verify.Checker(own[1] if is_own else None)
        alone_steps = alone.check(changed) + alone.check_heads()
        assert verdict.describe("en")
        assert verdict.describe("nl")
        assert verify.describe_verdict(alone_steps, "nl")
        assert verdict.state == verify.conclude(alone_steps) or is_library_missing(verdict), (changed, verdict)
        if verdict.state == "ok":
            assert is_part_of(EvidenceFile.parse(changed), original), changed.decode(errors="replace")


def is_part_of(evidence: EvidenceFile, original: EvidenceFile) -> bool:
    """Whether all that the file has is unchanged; its policy was not used. A part of a true file is true."""
    parts = {"claim": None, "events": [], "deliveries": [], "rules": [], "time_stamp": None, "minute_batches": []}
    own, first = drop_ignored_lines(evidence), drop_ignored_lines(original)
    changed = {name for name in own if own[name] != first[name]}
    return all(name == "policy" or (name in parts and own[name] == parts[name]) for name in changed)


def drop_ignored_lines(evidence: EvidenceFile) -> dict[str, object]:
    """Evidence without lines that a verifier may read over: `extra`, and signatures, of which others may be added."""
    ignored = r"(— [^\n\"]*?|extra [^\n\"]*?)(\\n)"
    text = msgspec.json.encode(evidence).decode()
    return json.loads(re.sub(rf"(?<=\\n){ignored}", "", text))


def is_library_missing(verdict: Verdict) -> bool:
    """Whether the only false step is the label of a detector, which verify.py cannot compute."""
    return {step.name for step in verdict.steps if step.state == "false"} == {"detector"}


def make_detection(world: World) -> bytes:
    """Detection file over all leaves of the world; its state and registry are empty."""
    evidence = world.evidence(events=True)
    size, note = len(world.log.leaves), world.note()
    payloads = {
        describe_batch(NODE, INCARNATION, number, payload).encode(): payload
        for number, payload in world.batches.items()
    }
    leaves = [
        DetectionLeaf(entry=leaf.decode())
        if leaf not in payloads
        else DetectionLeaf(
            signed=base64.b64encode(payloads[leaf]).decode(), received_at=datetime.fromtimestamp(START_MS / 1000, UTC)
        )
        for leaf in world.log.leaves[2:]
    ]
    hashes = prove_range(2, size, size, world.log.read_hash)
    state = LoggedState(detector=world.detector_label, area="ijmond", ids=[], quality="", detection="")
    return DetectionFile(
        area="ijmond",
        policy=world.policy(),
        events=[RepeatedEvent(revisions=evidence.events, last_leaf=size - 1)],
        detector=evidence.rules[-1],
        ranges=evidence.rules[0],
        node_keys=[evidence.node_key],
        registry=DetectedRegistry(stations=[], sites=[], properties=[], datastreams=[]),
        state=StartState(document=state.encode()),
        first_leaf=2,
        leaf_count=len(leaves),
        leaves=leaves,
        range_proof=[base64.b64encode(item).decode() for item in hashes],
        checkpoint=note.decode(),
    ).encode()


def change_line(noise: random.Random, content: bytes) -> bytes:
    """Change one value in one line of JSON."""
    lines = content.splitlines()
    number = noise.choice((0, noise.randrange(len(lines))))
    return b"\n".join([*lines[:number], change_tree(noise, lines[number]), *lines[number + 1 :], b""])


def noise_to_detections(noise: random.Random, rounds: int, world: World) -> None:
    """A changed detection file ends in steps, and is never true: its state is no state of a detector."""
    content = make_detection(world)
    policy = read_policy(world.policy())
    for _ in range(rounds):
        changed = noise.choice((change, change_line))(noise, content)
        verdict = Verdict(
            steps=check_detection(parts_of(changed), EvidenceChecker(TrustedByReader(policy=policy))).steps
        )
        assert verdict.describe("nl")
        assert verdict.state != "ok", changed


def noise_to_formats(noise: random.Random, rounds: int, world: World) -> None:
    """Readers of the formats raise nothing but ProofError."""
    note, proof = world.note(), world.evidence(rules=False).batch.proof.encode()
    readers: list[tuple[bytes, Callable[[bytes], object]]] = [
        (note, read_checkpoint),
        (note, read_policy(world.policy()).open),
        (proof, LogProof.parse),
        (world.policy().encode(), lambda content: Policy.parse(content.decode(errors="replace"))),
        (world.node_key_leaf.encode(), Leaf.parse),
        (b"tile/0/x001/234.p/7", lambda content: Tile.parse(content.decode(errors="replace"))),
        (b"\x00\x03abc\x00\x01d", lambda content: decode_entries(content, width=2)),
        (b"h" * 64, lambda content: hash_reader(300, lambda _: content)(0, 1)),
        (b"a" * 64 + b"  data/x\n", read_manifest),
    ]
    for _ in range(rounds):
        content, read = noise.choice(readers)
        with suppress(ProofError):
            read(change(noise, content))


def noise_to_both(noise: random.Random, rounds: int, world: World) -> None:
    """Both verifiers accept the same texts of every format."""
    pairs: list[tuple[bytes, Callable[[bytes], object], Callable[[bytes], object]]] = [
        (world.note(), read_checkpoint, verify.read_checkpoint),
        (world.evidence(rules=False).batch.proof.encode(), LogProof.parse, verify.read_proof),
        (world.policy().encode(), as_text(read_policy), as_text(verify.read_policy)),
        (world.node_key_leaf.encode(), Leaf.parse, as_text(verify.read_leaf)),
        (world.node_key_leaf.encode(), as_text(read_node_key), as_text(verify.read_node_key)),
        (split_note(world.batches[FIRST_NUMBER])[0], read_batch, verify.read_batch),
        (world.evidence(rules=False).encode(), EvidenceFile.parse, verify.read_evidence),
    ]
    for _ in range(rounds):
        content, read, read_alone = noise.choice(pairs)
        changed = change(noise, content) if noise.random() < 0.7 or content[:1] != b"{" else change_tree(noise, content)
        accepted = [is_accepted(reader, changed) for reader in (read, read_alone)]
        assert accepted[0] == accepted[1], (read, accepted, changed)


def as_text(read: Callable[[str], object]) -> Callable[[bytes], object]:
    """A reader of text as a reader of bytes."""
    return lambda content: read(content.decode(errors="replace"))


def is_accepted(read: Callable[[bytes], object], content: bytes) -> bool:
    """Whether a reader takes the content; it raises nothing but its error."""
    try:
        read(content)
    except (ProofError, verify.ProofError):
        return False
    return True


def make_dossier(world: World) -> bytes:
    """ZIP with two evidence files and a manifest."""
    files = {
        f"data/evidence/{number}.piekwacht.json": world.evidence(number=number, rules=False).encode()
        for number in (FIRST_NUMBER + 1, FIRST_NUMBER + 2)
    }
    lines = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items()]
    files["manifest-sha256.txt"] = "".join(lines).encode()
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def noise_to_dossiers(noise: random.Random, rounds: int, world: World) -> None:
    """A changed ZIP is never true, unless all its files are unchanged."""
    content = make_dossier(world)
    original = hash_files(content)
    policy = read_policy(world.policy())
    for _ in range(rounds):
        changed = change(noise, content)
        checker = EvidenceChecker(TrustedByReader(policy=policy))
        with suppress(ProofError):
            steps = check_dossier(ZipFiles(changed), checker)
            if Verdict(steps=tuple(steps)).state == "ok":
                assert hash_files(changed) == original, changed


def hash_files(content: bytes) -> dict[str, str]:
    """SHA-256 by name."""
    files = ZipFiles(content)
    return {name: files.hash(name) for name in files.names()}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--seed", type=int, default=time.time_ns())
    options = parser.parse_args()
    noise, world, rounds = random.Random(options.seed), World(), 0
    print(f"seed {options.seed}", flush=True)
    until = time.monotonic() + options.seconds
    while time.monotonic() < until:
        noise_to_evidence(noise, 50, world)
        noise_to_formats(noise, 2000, world)
        noise_to_both(noise, 2000, world)
        noise_to_dossiers(noise, 50, world)
        noise_to_detections(noise, 50, world)
        rounds += 1
    print(f"{rounds * 50} evidence files, {rounds * 4000} of other formats, {rounds * 50} dossiers; no law was broken")
    return 0


if __name__ == "__main__":
    sys.exit(main())
