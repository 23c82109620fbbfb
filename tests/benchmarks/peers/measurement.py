"""Processor time of one consumer, its database and its broker while it drains a backlog of known size."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_DRAIN_SECONDS = 0.5  # s until broker and database have finished
_POLL_SECONDS = 0.1
_REPORT_SECONDS = 1.0  # s until acknowledgements, answers to nodes and live messages have been sent


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Values stored in `seconds`; processor time (s) of each part meanwhile; memory of the consumer (MB)."""

    values: int
    seconds: float
    processor: Mapping[str, float]
    consumer_mb: float

    @property
    def rate(self) -> float:
        """Values stored per second."""
        return self.values / self.seconds

    @property
    def processor_per_million(self) -> dict[str, float]:
        """Seconds of processor time per million values, of each part and of all together."""
        parts = {name: seconds / self.values * 1e6 for name, seconds in self.processor.items()}
        return parts | {"total": sum(parts.values())}


def find_processes(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        fields = _read_stat(path)
        if fields:
            children.setdefault(int(fields[1]), []).append(int(path.parent.name))
    pids = [pid]
    for process in pids:
        pids += children.get(process, [])
    return pids


def _read_stat(path: Path) -> list[str]:
    """Return the fields after the name of the program, from its state on; empty if the process has ended."""
    try:
        return path.read_text().rpartition(")")[2].split()
    except OSError:
        return []


def processor_seconds(pid: int) -> float:
    """Return the time of a process, its descendants, and those of them that have ended."""
    ticks = sum(sum(map(int, _read_stat(Path(f"/proc/{p}/stat"))[11:15])) for p in find_processes(pid))
    return ticks / _TICKS_PER_SECOND


def resident_megabytes(pid: int) -> float:
    pages = sum(int(_read_stat(Path(f"/proc/{p}/stat"))[21]) for p in find_processes(pid))
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def measure(
    consumer: int, others: Mapping[str, int], publish: Callable[[], int], is_stored: Callable[[], bool]
) -> Measurement:
    """Let the consumer drain what `publish` sends while it is halted; returns the number of values.

    `others`: process ids of database and broker by name.
    """
    pids = {"consumer": consumer, **others}
    with halt(consumer):
        values = publish()
        time.sleep(_DRAIN_SECONDS)
        before = {name: processor_seconds(pid) for name, pid in pids.items()}
    started_at = time.perf_counter()
    while not is_stored():
        time.sleep(_POLL_SECONDS)
    elapsed = time.perf_counter() - started_at
    time.sleep(_REPORT_SECONDS)
    processor = {name: processor_seconds(pid) - before[name] for name, pid in pids.items()}
    return Measurement(values=values, seconds=elapsed, processor=processor, consumer_mb=resident_megabytes(consumer))


@contextmanager
def halt(consumer: int) -> Iterator[None]:
    """Halt a process and its descendants (SIGSTOP) and wait until the others are idle."""
    pids = find_processes(consumer)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(_DRAIN_SECONDS)
    try:
        yield
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)


def database_process(connection: psycopg.Connection) -> int:
    """Return the process id of the postmaster that serves this connection."""
    return int(_read_stat(Path(f"/proc/{connection.info.backend_pid}/stat"))[1])
