"""Both verifiers over the same file: the package and the stand-alone file."""

from gateway.verification.evidence_check import EvidenceChecker, TrustedByReader
from gateway.verification.membership import read_policy
from gateway.verification.standalone import verify
from gateway.verification.step import Verdict

NEEDS_LIBRARIES = {"detector", "time_stamp"}


def check(content, *, policy=None, heads=()):
    """Verdict of the package, after both verifiers agreed on every step."""
    own = EvidenceChecker(TrustedByReader(policy=read_policy(policy) if policy else None, heads=tuple(heads)))
    steps = own.check(content) + own.check_heads()
    alone = verify.Checker(verify.read_policy(policy) if policy else None, list(heads))
    other_steps = alone.check(content) + alone.check_heads()
    assert list(map(outline, steps)) == list(map(outline, other_steps))
    for step in steps:
        assert step.describe("nl")
    return Verdict(steps=tuple(steps))


def outline(step):
    """Name, state and sentence of a step. The stand-alone file lacks libraries: of two steps only whether it is ok."""
    if step.name in NEEDS_LIBRARIES and (step.name, step.state) != ("time_stamp", "false"):
        return step.name, step.text if step.state == "ok" else ""
    return step.name, str(step.state), step.text


def states(verdict):
    return {step.name: str(step.state) for step in verdict.steps}
