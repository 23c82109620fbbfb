"""The demo's past, as the demo sees it: the process that stores it, and the logs of its readings."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from gateway.demo.nodes import DemoNode
from gateway.demo.past_plan import PastFiles, plan_past
from gateway.demo.reconciliation import PastLogs
from gateway.enrolment.site_file import StationTable
from gateway.errors import StartError
from gateway.system.child_process import Child


class Past:
    """Two days of readings, events and public log before the demo's start. None in the folder of an earlier demo."""

    def __init__(self, folder: Path, nodes: Sequence[DemoNode], *, hours: float, seed: int) -> None:
        """`hours`: 0 for a demo without a past."""
        self._files = PastFiles(folder=folder)
        self._process: Child | None = None
        is_new = not (folder / "piekwacht.toml").exists()
        if hours > 0 and is_new and not self._files.plan.exists():
            end = datetime.now(UTC).replace(microsecond=0)
            start = end.replace(minute=0, second=0) - timedelta(hours=hours)
            plan = plan_past(start, end, seed=seed, nodes=_list_fixed(nodes))
            self._files.plan.write_bytes(msgspec.json.encode(plan))

    def start(self, stack: ExitStack) -> None:
        """Start the process, unless there is nothing to store. It signs, and waits for `allow_storing`."""
        for marker in (self._files.ready, self._files.storing):
            marker.unlink(missing_ok=True)
        if self._files.plan.exists() and not self._files.done.exists():
            command: list[str | Path] = [sys.executable, "-m", "gateway.demo.past_ingest", self._files.folder]
            log = self._files.folder / "past.log"
            self._process = stack.enter_context(Child("the process of the demo's past", command, log=log))

    def allow_storing(self) -> None:
        """Let the process store, and wait until it holds the area: the database has its schema and the nodes."""
        self._files.ready.touch()
        if self._process is not None:
            self._process.wait_until(self._files.storing.exists, timeout=180)

    def is_stored(self) -> bool:
        """Whether all of it is stored. Raises StartError if the process failed."""
        if self._process is None or self._files.done.exists():
            return True
        if not self._process.is_running and not self._files.done.exists():
            raise StartError(f"the demo's past could not be stored: {self._process.read_log_tail()}")
        return False

    def logs(self) -> PastLogs | None:
        """Return the nodes' logs of that time; None if this demo has no past."""
        plan = self._files.read_plan()
        if plan is None:
            return None
        return PastLogs(files={name: self._files.readings_log(name) for name, _ in plan.nodes}, end=plan.end)


def _list_fixed(nodes: Sequence[DemoNode]) -> list[tuple[str, StationTable]]:
    """The nodes at a fixed station: only these have a past."""
    return [(node.id, node.station) for node in nodes if isinstance(node.station, StationTable)]
