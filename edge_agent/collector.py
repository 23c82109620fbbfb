"""The collector: gathers readings per sensor until a commit is due, and cuts them where the clock was set."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from edge_agent import clock
from edge_agent.sensors.sensor import Reading
from edge_agent.wire import ClockState


class BatchSettings(Struct, frozen=True, kw_only=True):
    """`[batch]`: how readings become batches and how batches leave.

    interval_seconds       time between commits, each with one batch per sensor: a power cut loses at most this
    max_readings           number of waiting readings that also starts a commit
    resend_seconds         a batch that the gateway does not confirm is sent again after this, then after twice as
                           long, and so on
    drain_seconds          time to wait for confirmations when the agent stops
    offline_seconds        readings of a node without a broker for longer than this go to the backlog lane
    backlog_per_second     token bucket of the backlog lane, in batches per second
    forget_seconds         minimum time between deletions of confirmed batches: each deletion is written to the card
    merge_seconds          without a broker, committed readings become one batch per sensor only at this interval:
                           fewer bytes
    backlog_start_seconds  the backlog begins a random part of this after connecting, so that a fleet spreads its
                           return
    """

    interval_seconds: Annotated[float, Meta(gt=0, le=3600)] = 60.0
    max_readings: Annotated[int, Meta(ge=1, le=10_000)] = 1000
    resend_seconds: Annotated[float, Meta(gt=0)] = 30.0
    drain_seconds: Annotated[float, Meta(ge=0)] = 10.0
    offline_seconds: Annotated[float, Meta(ge=0)] = 120.0
    forget_seconds: Annotated[float, Meta(ge=0)] = 600.0
    merge_seconds: Annotated[float, Meta(ge=0, le=3600)] = 1800.0
    backlog_per_second: Annotated[float, Meta(gt=0)] = 50.0
    backlog_start_seconds: Annotated[float, Meta(ge=0)] = 1.0


class Collector:
    """Readings that are not stored yet."""

    def __init__(self, settings: BatchSettings, *, now: float) -> None:
        self._settings = settings
        self._due_at = now + settings.interval_seconds
        self._pending: dict[str, list[Reading]] = {}
        self._offsets: dict[str, int] = {}  # sensor -> wall time minus time since boot, ms
        self._pending_count = 0

    def add(self, sensor: str, reading: Reading) -> None:
        """Add one reading."""
        self._pending.setdefault(sensor, []).append(reading)
        self._pending_count += 1

    def is_due(self, now: float) -> bool:
        """Whether it is time to store; `now` is monotonic seconds."""
        return bool(self._pending_count) and (now >= self._due_at or self.is_full)

    @property
    def is_full(self) -> bool:
        """Whether so many readings wait that they are stored before their time."""
        return self._pending_count >= self._settings.max_readings

    @property
    def due_at(self) -> float:
        """When the next commit is due, monotonic seconds."""
        return self._due_at

    def take_runs(self, now: float) -> list[list[Reading]]:
        """Return and remove all waiting readings: one list per sensor, more if its clock stepped."""
        runs = [
            run for sensor, readings in self._pending.items() for run in self._split_at_clock_steps(sensor, readings)
        ]
        self._pending, self._pending_count = {}, 0
        self._due_at = now + self._settings.interval_seconds
        return runs

    def seconds_until_due(self, now: float) -> float:
        """Seconds until the next commit; if it is due already and there are no readings, there is none."""
        if now < self._due_at or self._pending_count:
            return max(0.0, self._due_at - now)
        return self._settings.interval_seconds

    def _split_at_clock_steps(self, sensor: str, readings: Sequence[Reading]) -> list[list[Reading]]:
        """Cut where the clock was set: within a batch, stamps and time since boot advance equally."""
        runs: list[list[Reading]] = []
        for reading in readings:
            offset = reading.observed_at - reading.mono
            stepped = abs(offset - self._offsets.get(sensor, offset)) > clock.STEP_MS
            self._offsets[sensor] = offset
            if stepped:
                runs.append([msgspec.structs.replace(reading, clock=ClockState.STEPPED)])
            elif runs:
                runs[-1].append(reading)
            else:
                runs.append([reading])
        return runs
