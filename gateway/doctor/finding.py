"""What one look at an installation found: how bad it is, in one sentence, and what to do."""

from collections.abc import Iterable, Iterator
from enum import StrEnum

from msgspec import Struct


class FindingLevel(StrEnum):
    """How bad it is."""

    OK = "well"
    NOTE = "note"  # could not be looked at, or is a choice
    WARNING = "warning"  # works today
    FAULT = "fault"  # does not work


class Finding(Struct, frozen=True, kw_only=True):
    """`what` names the thing, `remedy` begins with a verb; no remedy where all is well."""

    check: str
    level: FindingLevel
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.what}: {self.remedy}" if self.remedy else self.what


class FindingFactory:
    """Of one check; each method makes a finding of its level."""

    def __init__(self, check: str) -> None:
        self._check = check

    def ok(self, what: str) -> Finding:
        """All is as it should be."""
        return Finding(check=self._check, level=FindingLevel.OK, what=what)

    def note(self, what: str, remedy: str = "") -> Finding:
        """Not looked at, or a choice somebody made."""
        return Finding(check=self._check, level=FindingLevel.NOTE, what=what, remedy=remedy)

    def warning(self, what: str, remedy: str) -> Finding:
        """It works, and will not for ever."""
        return Finding(check=self._check, level=FindingLevel.WARNING, what=what, remedy=remedy)

    def fault(self, what: str, remedy: str) -> Finding:
        """It does not work."""
        return Finding(check=self._check, level=FindingLevel.FAULT, what=what, remedy=remedy)


def filter_findings(findings: Iterable[Finding], *, quiet: bool) -> Iterator[Finding]:
    """All of them, or with `quiet` only what somebody has to do something about."""
    return (finding for finding in findings if not quiet or finding.level in {FindingLevel.WARNING, FindingLevel.FAULT})
