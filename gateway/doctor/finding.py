"""Findings of the doctor: severity, one sentence, and the remedy."""

from collections.abc import Iterable, Iterator
from enum import StrEnum

from msgspec import Struct


class FindingLevel(StrEnum):
    """Severity of a finding."""

    OK = "ok"
    NOTE = "note"  # could not be checked, or is a choice
    WARNING = "warning"  # works now, may fail later
    FAULT = "fault"  # does not work


class Finding(Struct, frozen=True, kw_only=True):
    """`message` names the thing, `remedy` begins with a verb; a finding that is ok has none."""

    check: str
    level: FindingLevel
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.message}: {self.remedy}" if self.remedy else self.message


class FindingFactory:
    """Builds the findings of one check, one method per level."""

    def __init__(self, check: str) -> None:
        self._check = check

    def ok(self, message: str) -> Finding:
        """The check passed."""
        return Finding(check=self._check, level=FindingLevel.OK, message=message)

    def note(self, message: str, remedy: str = "") -> Finding:
        """Not checked, or a choice of the operator."""
        return Finding(check=self._check, level=FindingLevel.NOTE, message=message, remedy=remedy)

    def warning(self, message: str, remedy: str) -> Finding:
        """It works now, and may fail later."""
        return Finding(check=self._check, level=FindingLevel.WARNING, message=message, remedy=remedy)

    def fault(self, message: str, remedy: str) -> Finding:
        """It does not work."""
        return Finding(check=self._check, level=FindingLevel.FAULT, message=message, remedy=remedy)


def filter_findings(findings: Iterable[Finding], *, quiet: bool) -> Iterator[Finding]:
    """Return all findings, or with `quiet` only warnings and faults."""
    return (finding for finding in findings if not quiet or finding.level in {FindingLevel.WARNING, FindingLevel.FAULT})
