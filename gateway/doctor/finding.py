"""What one look at an installation found: how bad it is, in one sentence, and what to do."""

from collections.abc import Iterable, Iterator
from enum import StrEnum

from msgspec import Struct


class Level(StrEnum):
    """How bad it is."""

    WELL = "well"
    NOTE = "note"  # could not be looked at, or is a choice
    WARNING = "warning"  # works today
    FAULT = "fault"  # does not work


class Finding(Struct, frozen=True, kw_only=True):
    """`what` names the thing, `remedy` begins with a verb; no remedy where all is well."""

    check: str
    level: Level
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.what}: {self.remedy}" if self.remedy else self.what


class Findings:
    """Of one check; each method makes a finding of its level."""

    def __init__(self, check: str) -> None:
        self._check = check

    def well(self, what: str) -> Finding:
        """All is as it should be."""
        return Finding(check=self._check, level=Level.WELL, what=what)

    def note(self, what: str, remedy: str = "") -> Finding:
        """Not looked at, or a choice somebody made."""
        return Finding(check=self._check, level=Level.NOTE, what=what, remedy=remedy)

    def warning(self, what: str, remedy: str) -> Finding:
        """It works, and will not for ever."""
        return Finding(check=self._check, level=Level.WARNING, what=what, remedy=remedy)

    def fault(self, what: str, remedy: str) -> Finding:
        """It does not work."""
        return Finding(check=self._check, level=Level.FAULT, what=what, remedy=remedy)


def told(findings: Iterable[Finding], *, quiet: bool) -> Iterator[Finding]:
    """All of them, or with `quiet` only what somebody has to do something about."""
    return (one for one in findings if not quiet or one.level in {Level.WARNING, Level.FAULT})
