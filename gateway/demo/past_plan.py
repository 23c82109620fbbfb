"""Plan of the demo's past, and the files by which the demo and the process that stores it agree."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from gateway.demo.config import AREA
from gateway.enrolment.site_file import StationTable

_PLAN_NAME, _READY_NAME, _STORING_NAME, _DONE_NAME = "past.json", "registry.ready", "past.storing", "past.done"


class PastPlan(Struct, frozen=True, kw_only=True):
    """Span and seed of the past; `nodes` are ids and stations, in the order of the site file."""

    start: datetime
    end: datetime
    seed: int
    area: str
    nodes: list[tuple[str, StationTable]]


@dataclass(frozen=True, kw_only=True)
class PastFiles:
    """Files by which the demo and this process agree, in the demo's folder."""

    folder: Path

    @property
    def plan(self) -> Path:
        """The plan; it stays, so that a later demo in this folder knows what is past."""
        return self.folder / _PLAN_NAME

    @property
    def ready(self) -> Path:
        """Exists once the database has the nodes."""
        return self.folder / _READY_NAME

    @property
    def storing(self) -> Path:
        """Exists once the process holds the area, so that the gateway waits for it."""
        return self.folder / _STORING_NAME

    @property
    def done(self) -> Path:
        """Exists once everything is stored."""
        return self.folder / _DONE_NAME

    def readings_log(self, node: str) -> Path:
        """The node's own log of its past readings."""
        return self.folder / "nodes" / node / "past.jsonl"

    def read_plan(self) -> PastPlan | None:
        """Return the plan; None if this demo has no past."""
        return msgspec.json.decode(self.plan.read_bytes(), type=PastPlan) if self.plan.exists() else None


def plan_past(start: datetime, end: datetime, *, seed: int, nodes: Sequence[tuple[str, StationTable]]) -> PastPlan:
    """Return the plan of these nodes; `end` has whole seconds."""
    return PastPlan(start=start, end=end, seed=seed, area=AREA, nodes=list(nodes))
