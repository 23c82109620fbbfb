"""The outcome of a work of upkeep: a value with a sentence for the operator."""

from collections.abc import Callable
from enum import StrEnum

from msgspec import Struct

from gateway.store.upkeep.work import Work

# Asked between two transactions: whether the run may begin another one.
MayContinue = Callable[[], bool]


class OutcomeState(StrEnum):
    """How a work ended. Only `DONE` counts as a success of ours, and only `FAILED` as a failure."""

    DONE = "done"
    SKIPPED = "skipped"  # not due, or done by TimescaleDB's scheduler
    UNFINISHED = "unfinished"  # the time of a run is used up; the next run continues
    FAILED = "failed"


class Outcome(Struct, frozen=True, kw_only=True):
    """`detail`: what was done, why not, or the error, in one line."""

    work: Work
    state: OutcomeState
    detail: str

    def __str__(self) -> str:
        return f"{self.work}: {self.state}: {self.detail}"


class Progress(Struct, frozen=True, kw_only=True):
    """The part of a work that is done; not `is_finished`: it stopped between two transactions."""

    is_finished: bool
    detail: str
