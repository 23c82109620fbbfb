"""Write a verdict: a line per step for people, or JSON."""

from collections.abc import Iterator

import msgspec

from gateway.verification.step import Verdict, VerificationStep


def write_text(verdict: Verdict, language: str) -> str:
    """Lines of the steps below the name of their file, then the verdict in one sentence."""
    return "\n".join([*_write_steps(verdict, language), verdict.describe(language)]) + "\n"


def _write_steps(verdict: Verdict, language: str) -> Iterator[str]:
    subject = ""
    for step in verdict.steps:
        if step.subject != subject:
            subject = step.subject
            yield subject
        yield f"{step.state:12} {step.name:12} {step.describe(language)}"
        compared = ", ".join(f"{name} {value[:64]}" for name, value in step.compared.items())
        if compared:
            yield f"{'':25} {compared}"


def write_json(verdict: Verdict, language: str) -> str:
    """The verdict and its steps as one JSON document."""
    document = {
        "verdict": {"state": verdict.state, "exitCode": verdict.exit_code, "sentence": verdict.describe(language)},
        "steps": [_describe_step(step, language) for step in verdict.steps],
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=1).decode() + "\n"


def _describe_step(step: VerificationStep, language: str) -> dict[str, object]:
    return {
        "step": step.name,
        "state": step.state,
        "subject": step.subject,
        "sentence": step.describe(language),
        "compared": step.compared,
    }
