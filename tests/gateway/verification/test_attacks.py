"""Attacks on a published number: both verifiers catch each, and name it in one sentence."""

import base64
import json

import msgspec
import pytest

from edge_agent.signing import split_note
from gateway.transparency.leaf import LeafKind, describe_batch, hash_content
from gateway.transparency.proof_file import LogProof
from gateway.verification.evidence_file import EvidenceFile, LoggedDocument
from gateway.verification.step import ExitCode
from tests.gateway.verification.both import check, states
from tests.gateway.verification.world import (
    DETECTOR_PARAMETERS,
    FIRST_NUMBER,
    INCARNATION,
    NODE,
    START_MS,
    Log,
    World,
    make_signer,
    replace,
)


def assert_caught(verdict, step, sentence):
    """The verdict is false, because of this step, in this sentence."""
    faults = {step.name: step.describe() for step in verdict.steps if step.state == "false"}
    assert step in faults, faults
    assert sentence in faults[step]
    assert verdict.exit_code == ExitCode.FALSE
    assert verdict.describe().startswith("Not true: ")


def change_batch(evidence, payload):
    return replace(evidence, "batch.signed", base64.b64encode(payload).decode())


def change_proof(evidence, path, change):
    """Evidence whose proof at this path went through `change` as bytes."""
    proof = json.loads(evidence.encode())
    for part in path.split("."):
        proof = proof[int(part) if part.isdecimal() else part]
    return replace(evidence, path, change(proof.encode()).decode())


@pytest.mark.parametrize(
    ("path", "value", "step", "sentence"),
    [
        ("claim.value", 3.25, "value", "the node sent 30.25"),
        ("claim.published.value", 3.25, "published", "the node sent 30.25"),
        ("claim.flags", 0, "value", "the node sent 30.25 with flags 64"),
        ("claim.published.flags", [], "published", "does not agree with the node"),
        ("claim.published.corrected", 3.25, "correction", "does not give the corrected value 3.25"),
        ("claim.observed_at", "2026-12-02T02:00:11.000Z", "value", "no reading of this property at that time"),
        ("claim.station", "beverwijk", "node_key", "belonged to ijm-001"),
        ("claim.property", "pm10", "value", "no reading of this property"),
    ],
)
def test_a_value_changed_in_the_database_is_named(world, path, value, step, sentence):
    assert_caught(check(replace(world.evidence(), path, value), policy=world.policy()), step, sentence)


def test_a_value_withheld_without_a_reason_is_named(world):
    content = replace(world.evidence(), "claim.published.value", None)
    assert_caught(check(content, policy=world.policy()), "published", "withheld without a reason")


def test_a_corrected_value_that_is_withheld_is_never_ok(world):
    verdict = check(replace(world.evidence(), "claim.published.corrected", None), policy=world.policy())
    assert states(verdict)["correction"] == "not checked"


def test_a_corrected_value_from_some_batches_of_the_minute_is_never_ok(world):
    evidence = world.evidence()
    for left_out in range(3):
        batches = [batch for i, batch in enumerate(evidence.minute_batches) if i != left_out]
        verdict = check(msgspec.structs.replace(evidence, minute_batches=batches).encode(), policy=world.policy())
        assert states(verdict)["correction"] in {"not checked", "false"}


def test_a_batch_changed_in_the_database_is_named(world):
    payload = world.batches[FIRST_NUMBER + 1].replace(b"30.25", b"31.25")
    verdict = check(change_batch(world.evidence(), payload), policy=world.policy())
    assert_caught(verdict, "signature", "did not sign these bytes")
    assert_caught(verdict, "inclusion", "does not show that this batch is in the log")


def test_a_batch_signed_again_by_the_node_is_not_the_one_in_the_log(world):
    payload = world.make_batch(FIRST_NUMBER + 1, values={"pm2_5": [1.0, 30.25, None]})
    verdict = check(change_batch(world.evidence(), payload), policy=world.policy())
    assert states(verdict)["signature"] == "ok"
    assert_caught(verdict, "inclusion", "does not show that this batch is in the log")


def test_a_batch_removed_from_the_log_changes_every_later_head(world):
    other = World()
    removed = describe_batch(NODE, INCARNATION, FIRST_NUMBER, world.batches[FIRST_NUMBER]).encode()
    other.log.leaves.remove(removed)
    other.add_leaf(LeafKind.DELIVERY, ("4",), b"so that both have as many leaves")
    evidence = other.evidence(rules=False)
    honest = world.note()
    verdict = check(evidence.encode(), policy=world.policy(), heads=[honest])
    assert_caught(verdict, "heads", "different roots: the log was forked")
    unsigned_by_witnesses = other.evidence(rules=False, note=other.note(witnesses=[]))
    verdict = check(unsigned_by_witnesses.encode(), policy=world.policy())
    assert_caught(verdict, "witnesses", "did not sign this head. (")


def test_a_key_added_after_the_batch_is_named(world):
    late = World()
    late.node_key_leaf = late.make_key_leaf(start="2026-10-01T00:00:00.000Z")
    late.log.add(late.node_key_leaf.encode())
    verdict = check(late.evidence().encode(), policy=late.policy())
    assert_caught(verdict, "node_key", "added after the batch")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"end": "2026-12-02T02:00:10.000Z"}, "not valid at that time"),
        ({"start": "2026-12-02T02:00:10.001Z"}, "not valid at that time"),
        ({"start": "yesterday"}, ""),
        ({"station": "beverwijk"}, "beverwijk"),
        ({"node": "ijm-002", "signer": make_signer("ijm-002", 2)}, "ijm-002"),
        ({"signer": make_signer("someone", 2)}, "belonged to ijm-001"),
    ],
)
def test_a_key_of_another_time_place_or_node_is_named(changes, sentence):
    other = World()
    other.node_key_leaf = other.make_key_leaf(**changes)
    other.log.leaves[1] = other.node_key_leaf.encode()
    assert_caught(check(other.evidence().encode(), policy=other.policy()), "node_key", sentence)


def test_an_event_revised_without_a_leaf_is_named(world):
    evidence = world.evidence(events=True)
    revised = world.make_event(peak=3.25).decode()
    verdict = check(replace(evidence, "events.0.document", revised), policy=world.policy())
    assert_caught(verdict, "event", "another hash than its leaf")
    leaf = world.event_leaf
    minted = msgspec.structs.replace(leaf, content=hash_content(revised.encode())).encode().decode()
    document = LoggedDocument(document=revised, leaf=minted, proof=evidence.events[0].proof)
    verdict = check(msgspec.structs.replace(evidence, events=[document]).encode(), policy=world.policy())
    assert_caught(verdict, "event", "does not lead to the root")


def test_a_document_of_another_revision_than_its_leaf_is_named():
    other = World()
    other.event_document = other.make_event(revision=3)
    other.event_leaf = other.add_leaf(LeafKind.EVENT, ("r7zq4ogyzxa5hm3t", "2"), other.event_document)
    verdict = check(other.evidence(events=True).encode(), policy=other.policy())
    assert_caught(verdict, "event", "The event is not the one in the log")


def test_two_heads_of_one_size_shown_to_two_people_are_named(world):
    other = World()
    other.log.leaves[-1] = other.log.leaves[-1].replace(b"\n3\n", b"\n4\n")
    verdict = check(world.evidence().encode(), policy=world.policy(), heads=[other.note(witnesses=[])])
    assert_caught(verdict, "reader_head", "The head that you have is false")
    assert_caught(verdict, "heads", "two heads of 10 leaves have different roots: the log was forked")


def test_a_log_that_shrank_after_a_restore_is_named(world):
    earlier = world.note(time=1_796_180_000)
    restored = world.evidence(rules=False, note=world.note(size=8, time=1_796_190_000))
    verdict = check(restored.encode(), policy=world.policy(), heads=[earlier])
    assert_caught(verdict, "heads", "signed 10 leaves and later 8: the log shrank")


def test_an_older_head_of_the_same_log_is_no_shrinking(world):
    earlier = world.evidence(rules=False, note=world.note(size=8, time=1_796_170_000))
    verdict = check(earlier.encode(), policy=world.policy(), heads=[world.note()])
    assert states(verdict)["heads"] == "ok"


def test_heads_of_two_sizes_without_a_common_witness_are_not_called_consistent(world):
    earlier = world.evidence(rules=False, note=world.note(size=8, witnesses=world.witnesses[:1]))
    later = world.note(witnesses=world.witnesses[1:])
    verdict = check(earlier.encode(), policy=world.policy("any"), heads=[later])
    assert states(verdict)["heads"] == "not checked"
    assert verdict.exit_code == ExitCode.NOT_ALL_CHECKED


def test_a_witness_that_signed_an_inconsistent_head_is_named(world):
    other = World()
    other.log.leaves[-1] = other.log.leaves[-1].replace(b"\n3\n", b"\n4\n")
    verdict = check(other.evidence(rules=False).encode(), policy=world.policy(), heads=[world.note()])
    assert_caught(verdict, "heads", "dorpsraad.example/w, ggd.example/w signed both")


def test_a_proof_of_another_leaf_is_named(world):
    evidence = world.evidence()
    content = replace(evidence, "batch.proof", evidence.minute_batches[0].proof)
    assert_caught(check(content, policy=world.policy()), "inclusion", "does not lead to the root")
    content = replace(evidence, "node_key.proof", evidence.batch.proof)
    assert_caught(check(content, policy=world.policy()), "node_key", "does not lead to the root")


def test_json_of_a_batch_that_was_written_again_is_named(world):
    text, signatures = split_note(world.batches[FIRST_NUMBER + 1])
    again = json.dumps(json.loads(text)).encode() + b"\n"
    payload = again + world.batches[FIRST_NUMBER + 1][len(text) :]
    assert again != text
    assert signatures
    verdict = check(change_batch(world.evidence(), payload), policy=world.policy())
    assert_caught(verdict, "signature", "did not sign these bytes")


def test_json_of_an_event_that_was_written_again_is_named(world):
    again = json.dumps(json.loads(world.event_document))
    content = replace(world.evidence(events=True), "events.0.document", again)
    assert_caught(check(content, policy=world.policy()), "event", "another hash than its leaf")


def test_a_checkpoint_of_a_foreign_log_is_named(world):
    foreign = Log("elsewhere.example/log/ijmond", seed=9)
    foreign.leaves = list(world.log.leaves)
    verdict = check(world.evidence(log=foreign).encode(), policy=world.policy())
    assert_caught(verdict, "checkpoint", "the policy does not know the log elsewhere.example/log/ijmond")


def test_a_foreign_key_under_the_name_of_the_log_is_named(world):
    forged = Log(seed=9)
    forged.leaves = list(world.log.leaves)
    verdict = check(world.evidence(log=forged).encode(), policy=world.policy())
    assert_caught(verdict, "checkpoint", "no signature by piekwacht.example/log/ijmond")


def change_signature_line(note, name, change):
    """A note in which the decoded signature of this name went through `change`."""
    lines = note.split(b"\n")
    at = next(i for i, line in enumerate(lines) if line.startswith(f"— {name} ".encode()))
    blob = base64.b64decode(lines[at].split(b" ")[2])
    lines[at] = f"— {name} ".encode() + base64.b64encode(change(blob))
    return b"\n".join(lines)


def test_a_wrong_key_id_is_named(world):
    def change(note):
        return change_signature_line(note, world.log.signer.name, lambda blob: b"\0\0\0\0" + blob[4:])

    content = change_proof(world.evidence(), "batch.proof", change)
    assert_caught(check(content, policy=world.policy()), "checkpoint", "no signature by")
    payload = change_signature_line(world.batches[FIRST_NUMBER + 1], NODE, lambda blob: b"\0\0\0\0" + blob[4:])
    assert_caught(check(change_batch(world.evidence(), payload), policy=world.policy()), "signature", "no signature by")


@pytest.mark.parametrize("name", ["piekwacht.example/log/ijmond", "ggd.example/w"])
def test_a_changed_signature_is_named(world, name):
    def change(note):
        return change_signature_line(note, name, lambda blob: blob[:-1] + bytes([blob[-1] ^ 1]))

    content = change_proof(world.evidence(), "batch.proof", change)
    step = "witnesses" if "ggd" in name else "checkpoint"
    assert_caught(check(content, policy=world.policy("any")), step, "does not fit")


def test_a_changed_time_of_a_cosignature_is_named(world):
    def change(note):
        return change_signature_line(note, "ggd.example/w", lambda blob: blob[:11] + b"\x01" + blob[12:])

    content = change_proof(world.evidence(), "batch.proof", change)
    assert_caught(check(content, policy=world.policy()), "witnesses", "does not fit the checkpoint")


def loosen_base64(text):
    """The same bytes in another form: bits beyond the last byte are set."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    body = text.rstrip("=")
    assert body != text
    return body[:-1] + letters[letters.index(body[-1]) + 1] + "=" * (len(text) - len(body))


def test_base64_in_another_form_is_named(world):
    evidence = world.evidence()
    payload = world.make_batch(FIRST_NUMBER + 1, boot="bb")  # its base64 ends in =
    padded = next(p for p in (payload, payload + b"\n", payload + b"\n\n") if len(p) % 3)
    loose = loosen_base64(base64.b64encode(padded).decode())
    assert base64.b64decode(loose) == padded
    assert_caught(check(replace(evidence, "batch.signed", loose), policy=world.policy()), "batch", "are not batch")

    def change(proof):
        lines = proof.decode().split("\n")
        return "\n".join([*lines[:2], loosen_base64(lines[2]), *lines[3:]]).encode()

    content = change_proof(evidence, "batch.proof", change)
    assert_caught(check(content, policy=world.policy()), "inclusion", "does not show")


def test_an_extra_line_of_a_proof_changes_nothing(world):
    def add_extra(proof):
        return proof.replace(b"index", b"extra aGV0IGlzIHdhYXI=\nindex", 1)

    evidence = world.evidence()
    without, with_extra = (
        check(content, policy=world.policy())
        for content in (evidence.encode(), change_proof(evidence, "batch.proof", add_extra))
    )
    assert without == with_extra
    changed = change_proof(evidence, "batch.proof", lambda proof: add_extra(proof).replace(b"index 5", b"index 4"))
    assert_caught(check(changed, policy=world.policy()), "inclusion", "does not lead to the root")


def test_a_swapped_correction_rule_is_named(world):
    swapped = world.rule_document.replace(b'"kappa":0.3', b'"kappa":0.2').decode()
    assert swapped != world.rule_document.decode()
    content = replace(world.evidence(), "rules.0.document", swapped)
    assert_caught(check(content, policy=world.policy()), "rule", "another hash than its leaf")


def test_a_correction_rule_of_other_parameters_is_named_even_if_the_log_has_it():
    other = World()
    other.rule_document = other.rule_document.replace(b'"kappa":0.3', b'"kappa":0.2')
    other.rule_leaf = other.add_leaf(LeafKind.CORRECTION_RULE, ("kappa-koehler", "2"), other.rule_document)
    verdict = check(other.evidence().encode(), policy=other.policy())
    assert_caught(verdict, "correction", "other parameters")


def test_swapped_parameters_of_the_detector_are_named(world):
    swapped = DETECTOR_PARAMETERS.replace(b"2.29", b"9.29").decode()
    content = replace(world.evidence(events=True), "rules.1.document", swapped)
    assert_caught(check(content, policy=world.policy()), "rule", "another hash than its leaf")


def test_parameters_that_do_not_fit_the_label_of_the_detector_are_never_ok():
    other = World()
    swapped = DETECTOR_PARAMETERS.replace(b"2.29", b"9.29")
    leaf = other.add_leaf(LeafKind.DETECTOR, (other.detector_label,), swapped)
    evidence = other.evidence(events=True)
    proof = other.log.prove(other.find(leaf.encode()), other.note())
    document = LoggedDocument(document=swapped.decode(), leaf=leaf.encode().decode(), proof=proof)
    verdict = check(msgspec.structs.replace(evidence, rules=[document]).encode(), policy=other.policy())
    assert states(verdict)["detector"] == "false"


def test_a_quorum_that_is_not_met_is_named(world):
    evidence = world.evidence(note=world.note(witnesses=world.witnesses[:1]))
    assert_caught(check(evidence.encode(), policy=world.policy("all")), "witnesses", "2/2 (ggd, dorpsraad)")
    assert states(check(evidence.encode(), policy=world.policy("any")))["witnesses"] == "ok"


def test_a_whole_forged_world_is_judged_by_the_policy_of_the_reader(world):
    forged = World()
    forged.log = Log(seed=9)
    forged.log.leaves = list(world.log.leaves)
    content = forged.evidence(policy=forged.policy()).encode()
    assert check(content).exit_code == ExitCode.NOT_ALL_CHECKED
    assert "By the policy in the file itself" in check(content).describe()
    assert_caught(check(content, policy=world.policy()), "checkpoint", "no signature by")


def test_a_key_of_small_order_proves_nothing(world):
    weak = (1).to_bytes(32, "little")
    name = world.log.signer.name
    evidence = world.evidence()
    key = b"\x01" + weak
    key_id = hash_content_bytes(name.encode() + b"\n" + key)[:4].hex()
    policy = evidence.policy.replace(
        str(world.log.signer.verifier), f"{name}+{key_id}+{base64.b64encode(key).decode()}"
    )
    verdict = check(replace(evidence, "policy", policy))
    assert_caught(verdict, "policy", "small order")


def hash_content_bytes(content):
    return base64.b64decode(hash_content(content))


def test_the_file_is_read_back_from_its_own_bytes(world):
    evidence = world.evidence(events=True)
    assert EvidenceFile.parse(evidence.encode()) == evidence
    assert LogProof.parse(evidence.batch.proof.encode()).index == world.find(
        describe_batch(NODE, INCARNATION, FIRST_NUMBER + 1, world.batches[FIRST_NUMBER + 1]).encode()
    )
    assert START_MS % 60_000 == 0
