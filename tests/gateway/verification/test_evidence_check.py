"""A true file: every step is checked, and what cannot be checked is named."""

from gateway.verification.step import ExitCode
from tests.gateway.verification.both import check, states


def test_a_true_value_is_true_in_every_step_with_the_policy_of_the_reader(world):
    verdict = check(world.evidence().encode(), policy=world.policy())
    assert set(states(verdict).values()) == {"ok"}
    assert list(states(verdict)) == [
        "policy", "signature", "batch", "inclusion", "checkpoint", "witnesses", "node_key", "value", "published",
        "rule", "minute_batch", "correction",
    ]  # fmt: skip
    assert verdict.exit_code == ExitCode.ALL_OK
