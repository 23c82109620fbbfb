"""A true file: every step is checked, and what cannot be checked is named."""

import json
import random

import msgspec
import pytest

from gateway.transparency.errors import ProofError
from gateway.transparency.merkle import check_inclusion, hash_leaf, prove_inclusion
from gateway.verification.standalone import verify
from gateway.verification.standalone.verify import TEXTS
from gateway.verification.step import ExitCode, StepState, Verdict, make_step
from tests.gateway.verification.both import check, states
from tests.gateway.verification.world import Log, replace


def test_a_true_value_is_true_in_every_step_with_the_policy_of_the_reader(world):
    verdict = check(world.evidence().encode(), policy=world.policy())
    assert set(states(verdict).values()) == {"ok"}
    assert list(states(verdict)) == [
        "policy", "signature", "batch", "inclusion", "checkpoint", "witnesses", "node_key", "value", "published",
        "rule", "minute_batch", "correction",
    ]  # fmt: skip
    assert verdict.exit_code == ExitCode.ALL_OK


def test_an_event_is_proven_and_its_detection_is_not_checked(world):
    verdict = check(world.evidence(events=True).encode(), policy=world.policy())
    assert states(verdict)["event"] == states(verdict)["delivery"] == states(verdict)["peak"] == "ok"
    assert {name for name, state in states(verdict).items() if state != "ok"} <= {"detection", "detector"}
    assert states(verdict)["detection"] == "not checked"
    assert verdict.exit_code == ExitCode.NOT_ALL_CHECKED


def test_a_batch_without_a_claim_is_proven(world):
    evidence = msgspec.structs.replace(world.evidence(rules=False), claim=None)
    assert set(states(check(evidence.encode(), policy=world.policy())).values()) == {"ok"}


def test_without_a_witness_in_the_policy_the_head_is_not_called_witnessed(world):
    verdict = check(world.evidence().encode(), policy=world.policy("none"))
    assert states(verdict)["witnesses"] == "not checked"


@pytest.mark.parametrize(
    ("published", "state", "text"),
    [
        ({"flags": ["humidity", "jump"]}, "not checked", "published.not checked"),
        ({"flags": ["humidity", "maintenance"], "value": None}, "not checked", "published.not checked"),
        ({"flags": ["humidity", "nonsense"]}, "false", "published.false"),
    ],
)
def test_flags_of_the_gateway_are_not_proven(world, published, state, text):
    claim = world.claim(corrected=False)
    claim = msgspec.structs.replace(claim, published=msgspec.structs.replace(claim.published, **published))
    verdict = check(msgspec.structs.replace(world.evidence(rules=False), claim=claim).encode(), policy=world.policy())
    steps = {step.name: step for step in verdict.steps}
    assert (steps["published"].state, steps["published"].text) == (state, text)


def test_a_time_that_the_gateway_changed_is_not_proven(world):
    claim = world.claim(corrected=False)
    changed = "2026-12-02T03:00:00.000Z"
    claim = msgspec.structs.replace(claim, stamped_at=claim.observed_at, observed_at=changed)
    verdict = check(msgspec.structs.replace(world.evidence(rules=False), claim=claim).encode(), policy=world.policy())
    assert (states(verdict)["value"], states(verdict)["dated"]) == ("ok", "not checked")
    claim = msgspec.structs.replace(world.claim(), stamped_at=claim.stamped_at, observed_at=changed)
    verdict = check(msgspec.structs.replace(world.evidence(), claim=claim).encode(), policy=world.policy())
    assert (states(verdict)["correction"], verdict.state) == ("not checked", "not checked")


def test_a_correction_without_its_rule_is_not_checked(world):
    evidence = msgspec.structs.replace(world.evidence(), rules=[])
    assert states(check(evidence.encode(), policy=world.policy()))["correction"] == "not checked"
    content = replace(world.evidence(), "claim.published.rule", "kappa-koehler 1")
    assert states(check(content, policy=world.policy()))["correction"] == "not checked"


def test_a_verdict_without_steps_is_not_true():
    assert Verdict(steps=()).state == StepState.UNCHECKED
    assert verify.conclude([]) == "not checked"


def test_false_weighs_more_than_not_checked_and_that_more_than_ok():
    ok, unchecked = make_step("manifest", StepState.OK), make_step("evidence", StepState.UNCHECKED)
    false = make_step("file", StepState.FALSE)
    assert Verdict(steps=(ok, unchecked)).exit_code == 3
    assert Verdict(steps=(ok, unchecked, false)).exit_code == 1
    assert Verdict(steps=(ok,)).exit_code == 0


def test_every_sentence_has_both_languages_and_the_same_values():
    for key, sentences in TEXTS.items():
        first, second = ({part.partition("}")[0] for part in text.split("{")[1:]} for text in sentences)
        assert first == second, key
        assert all(sentences), key


def test_the_second_verifier_follows_the_tree_as_the_core_does():
    log, noise = Log(), random.Random(6962)
    for size in range(1, 34):
        log.add(f"leaf {size}".encode())
        checkpoint = log.checkpoint()
        for index in range(size):
            proof, leaf = prove_inclusion(index, size, log.read_hash), hash_leaf(log.leaves[index])
            verify.check_inclusion(index, verify.Checkpoint(*msgspec.structs.astuple(checkpoint)), leaf, proof)
            wrong = [*proof, b"\0" * 32] if noise.random() < 0.5 else proof[1:]
            if wrong == proof:
                continue
            with pytest.raises(ProofError):
                check_inclusion(index, size, leaf, wrong, checkpoint.root)
            with pytest.raises(verify.ProofError):
                verify.check_inclusion(index, verify.Checkpoint(*msgspec.structs.astuple(checkpoint)), leaf, wrong)


def test_a_file_written_by_another_program_is_read(world):
    """Order of keys, spaces and escapes do not matter: the proven content is in the texts."""
    tree = json.loads(world.evidence().encode())
    content = json.dumps(dict(reversed(tree.items())), indent=2).encode()
    assert check(content, policy=world.policy()).exit_code == ExitCode.ALL_OK
