"""The verdict of `piekwacht verify` about an evidence file, by the names of the page, to compare the browser with."""

import base64

from gateway.verification.evidence_check import EvidenceChecker, TrustedByReader
from gateway.verification.membership import read_policy
from gateway.verification.step import StepState, VerificationStep

# The steps that the page has too. It shows the others as not checked.
_SHARED_STEPS = frozenset({
    "file", "policy", "signature", "batch", "inclusion", "checkpoint", "witnesses", "node_key", "heads", "value",
    "dated", "published",
})  # fmt: skip
_CORE_STEPS = frozenset({"signature", "batch", "inclusion", "checkpoint", "witnesses", "node_key", "value"})


def judge(content: bytes, policy_text: str | None = None) -> str:
    """Return `false`, `incomplete`, `partly` or `ok`."""
    checker = EvidenceChecker(TrustedByReader(policy=None if policy_text is None else read_policy(policy_text)))
    steps = [*checker.check(content), *checker.check_heads()]
    shared = [step for step in steps if step.name in _SHARED_STEPS]
    if any(step.state is StepState.FALSE for step in shared):
        return "false"
    unchecked = {step.name for step in shared if step.state is StepState.UNCHECKED}
    if unchecked & _CORE_STEPS:
        return "incomplete"
    return "partly" if unchecked or _has_rest(steps) else "ok"


def _has_rest(steps: list[VerificationStep]) -> bool:
    return any(step.name not in _SHARED_STEPS for step in steps)


def flip_base64(text: str, position: int) -> str:
    """The same base64 with one byte changed."""
    content = bytearray(base64.b64decode(text))
    content[position % len(content)] ^= 1
    return base64.b64encode(content).decode()
