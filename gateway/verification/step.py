"""Steps of a verification: what was checked, by which bytes, and whether it is true.

A step is `ok` only if the thing itself was checked. A step is `not checked` if this file, this policy or these
libraries do not suffice; its sentence gives the reason.
"""

from collections.abc import Iterable, Mapping
from enum import IntEnum, StrEnum

from msgspec import Struct

from gateway.verification.standalone.verify import LANGUAGES, TEXTS


class StepState(StrEnum):
    """Outcome of a step."""

    OK = "ok"
    FALSE = "false"
    UNCHECKED = "not checked"


class ExitCode(IntEnum):
    """Exit codes of `piekwacht verify` and `verify.py`; 2 is a wrong command line."""

    ALL_OK = 0
    FALSE = 1
    NOT_ALL_CHECKED = 3


class VerificationStep(Struct, frozen=True, kw_only=True):
    """One step. `subject`: the file or thing; `compared`: names and values of the bytes that were compared.

    `text` is the key of its sentence in `TEXTS`, `values` fill the sentence in; `reason` is the detail of a fault.
    """

    name: str
    state: StepState
    text: str
    subject: str = ""
    values: Mapping[str, str] = {}
    compared: Mapping[str, str] = {}
    reason: str = ""

    def describe(self, language: str = "en") -> str:
        """Sentence of the step in this language (`nl` or `en`)."""
        sentence = TEXTS[self.text][LANGUAGES.index(language)].format_map(self.values)
        return f"{sentence} ({self.reason})" if self.reason else sentence


class Verdict(Struct, frozen=True, kw_only=True):
    """All steps of a verification, and what follows from them."""

    steps: tuple[VerificationStep, ...]

    @property
    def state(self) -> StepState:
        """False if any step is false, else not checked if any is not checked; without a step nothing was checked."""
        states = {step.state for step in self.steps}
        if StepState.FALSE in states:
            return StepState.FALSE
        return StepState.OK if states == {StepState.OK} else StepState.UNCHECKED

    @property
    def exit_code(self) -> ExitCode:
        """0, 1 or 3."""
        codes = {StepState.OK: ExitCode.ALL_OK, StepState.FALSE: ExitCode.FALSE}
        return codes.get(self.state, ExitCode.NOT_ALL_CHECKED)

    def describe(self, language: str = "en") -> str:
        """The verdict in one sentence."""
        state = self.state
        decisive = [step for step in self.steps if step.state is state]
        first = decisive[0].describe(language) if decisive else ""
        template = TEXTS[f"verdict.{state}"][LANGUAGES.index(language)]
        return template.format(steps=len(self.steps), count=len(decisive), first=first)


def make_step(
    name: str,
    state: StepState,
    variant: str = "",
    *,
    values: Mapping[str, object] | None = None,
    compared: Mapping[str, object] | None = None,
    reason: str = "",
) -> VerificationStep:
    """Build a step; its sentence is that of the state, or of the variant where there are several."""
    return VerificationStep(
        name=name,
        state=state,
        text=f"{name}.{variant or state}",
        values={key: str(value) for key, value in (values or {}).items()},
        compared={key: str(value) for key, value in (compared or {}).items()},
        reason=reason,
    )


def is_any_false(steps: Iterable[VerificationStep]) -> bool:
    """Whether a step is false."""
    return any(step.state is StepState.FALSE for step in steps)
