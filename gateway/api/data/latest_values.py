"""What every station measures now, and the registry's places, held in memory by each API process.

The board follows the live feed; the database stays the truth. Whoever reads asks the database for two numbers
first (at most once a second): how often the registry changed, and the number of the newest commit. Where
the board has not seen that commit the live feed has a moment to bring it, then everything is read anew.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from operator import itemgetter
from typing import Any

from fastapi import HTTPException
from msgspec import Raw

from gateway.api.data.database import Database
from gateway.api.schemas.observations import Minute, flag_names, with_correction
from gateway.api.schemas.schema import format_instant
from gateway.export.selection import Averaging, Selection
from gateway.live.message import MINUTE_MS, LiveMessage, LiveObservation
from gateway.model.timestamps import from_ms
from gateway.quality.humidity_correction import HUMIDITY_PROPERTY, AirHumidity, correct_for_humidity, find_rule

_CHECK_INTERVAL = 1.0  # seconds between questions to the database
_COMMIT_GRACE = 0.5  # seconds the live feed may be behind a commit
_RELOAD_INTERVAL = 60.0  # seconds after which all is read again, for what came as history only

TimedValue = tuple[int, float | None, int]  # ms UTC, value, flags


class MinuteWindow:
    """The readings of the last minute of one property at one station."""

    __slots__ = ("air", "minute", "timed_values", "unit")

    def __init__(self, unit: str, timed_values: Iterable[TimedValue]) -> None:
        self.unit = unit
        self.timed_values = deque(timed_values)
        self.minute = self._summarise()

    @property
    def newest_ms(self) -> int:
        """Time of the newest reading, ms UTC."""
        return self.timed_values[-1][0]

    def add(self, timed_values: Sequence[TimedValue]) -> None:
        """Newer readings, in order; what is older than a minute before them leaves."""
        newest_ms = self.timed_values[-1][0]
        for timed_value in timed_values:
            if timed_value[0] > newest_ms:
                self.timed_values.append(timed_value)
        while self.timed_values[0][0] <= self.timed_values[-1][0] - MINUTE_MS:
            self.timed_values.popleft()
        self.minute = self._summarise()

    def _summarise(self) -> Minute:
        values = [value for _, value, _ in self.timed_values if value is not None]
        flags = 0
        for _, _, bits in self.timed_values:
            flags |= bits
        at, value, _ = self.timed_values[-1]
        is_direction = self.unit == "deg"
        mean = (_mean_direction(values) if is_direction else math.fsum(values) / len(values)) if values else None
        self.air = AirHumidity(percent=mean, flags=flags)  # what it says where this is the humidity
        return Minute(
            unit=self.unit,
            observed_at=format_instant(from_ms(at)),
            value=value,
            mean=mean,
            max=None if is_direction else max(values, default=None),  # no direction is the highest
            valid_count=len(values),
            flags=flag_names(flags),
        )


def _mean_direction(values: Sequence[float]) -> float:
    """The mean direction, degrees from north: of 359 and 1 it is 0."""
    east = math.fsum(math.sin(math.radians(value)) for value in values)
    north = math.fsum(math.cos(math.radians(value)) for value in values)
    return math.degrees(math.atan2(east, north)) % 360


@dataclass(frozen=True, kw_only=True)
class PublicRegistry:
    """The registry as the public sees it: rows of the queries of the same names, by id."""

    areas: dict[str, Sequence[Any]] = field(default_factory=dict)
    sites: dict[str, Sequence[Any]] = field(default_factory=dict)
    stations: dict[str, Sequence[Any]] = field(default_factory=dict)
    properties: dict[str, Sequence[Any]] = field(default_factory=dict)
    datastreams: dict[int, Sequence[Any]] = field(default_factory=dict)

    def datastreams_of(self, station: str, observed_property: str) -> Sequence[int]:
        """Ids of the datastreams that measured this there, one for each node that ever stood there."""
        return self._ids_by_place.get((station, observed_property), ())

    def humidity_sources(self, ids: Sequence[int]) -> dict[int, int]:
        """Of each datastream the one that tells how humid it was there: of the same node, else of another."""
        sources = {}
        for id_ in ids:
            _, station, node, *_ = self.datastreams[id_]
            candidates = self.datastreams_of(station, HUMIDITY_PROPERTY)
            if candidates:
                sources[id_] = min(
                    candidates, key=lambda candidate: (self.datastreams[candidate][2] != node, candidate)
                )
        return sources

    def build_selection(
        self, station: str, observed_property: str, period: tuple[datetime, datetime], averaging: Averaging,
        ids: Sequence[int] | None = None,
    ) -> Selection:  # fmt: skip
        """What of a known property at a known station is to be read; `ids`: only of these datastreams."""
        datastream_ids = self.datastreams_of(station, observed_property) if ids is None else ids
        return Selection(
            station=station,
            observed_property=observed_property,
            unit=self.properties[observed_property][1],
            ids=datastream_ids,
            start=period[0],
            end=period[1],
            averaging=averaging,
            humidity_datastreams=self.humidity_sources(datastream_ids),
        )

    @cached_property
    def _ids_by_place(self) -> dict[tuple[str, str], list[int]]:
        ids: dict[tuple[str, str], list[int]] = {}
        for id_, row in self.datastreams.items():
            ids.setdefault((row[1], row[3]), []).append(id_)
        return ids


class LatestValues:
    """Owned by one process; read it through `current`."""

    def __init__(self, database: Database) -> None:
        self._database, self._seen_commit = database, 0
        self.registry = PublicRegistry()
        self.windows: dict[str, dict[str, MinuteWindow]] = {}
        self.station_json: dict[str, Raw] = {}  # stations as JSON, until something there changes
        self._registry_version: int | None = None
        self._loaded_commit = 0
        self._checked_at = self._loaded_at = -math.inf
        self._load_seconds = 0.0
        self._lock = asyncio.Lock()
        self._buffered: list[LiveMessage] | None = None

    async def refresh_if_stale(self) -> "LatestValues":
        """This board, not older than the database by more than about a second. Raises 503 while that is away."""
        if time.monotonic() - self._checked_at > _CHECK_INTERVAL:
            async with self._lock:
                if time.monotonic() - self._checked_at > _CHECK_INTERVAL:
                    await self._refresh()
                    self._checked_at = time.monotonic()
        return self

    async def _refresh(self) -> None:
        ((version, committed),) = await self._database.fetch_rows("select_versions")
        is_old = time.monotonic() - self._loaded_at > max(_RELOAD_INTERVAL, 50 * self._load_seconds)
        if version == self._registry_version and not is_old and await self._wait_for_commit(committed):
            return
        await self._load(version, committed)

    async def _wait_for_commit(self, committed: int) -> bool:
        deadline = time.monotonic() + _COMMIT_GRACE
        while max(self._seen_commit, self._loaded_commit) < committed:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.02)
        return True

    async def fetch_commit(self) -> int:
        """The number of the newest commit in the database; 0 while that is away."""
        try:
            ((_, number),) = await self._database.fetch_rows("select_versions")
        except HTTPException:
            return 0
        return int(number)

    def invalidate(self) -> None:
        """Something was missed: read everything anew before the next answer."""
        self._registry_version, self._checked_at = None, -math.inf

    async def _load(self, version: int, committed: int) -> None:
        """Everything anew from the database; what the live feed brings meanwhile is added after it."""
        started_at = time.monotonic()
        self._buffered = []
        try:
            registry = await self._load_registry()
            windows: dict[str, dict[str, MinuteWindow]] = {}
            async for rows in self._database.stream_rows("select_newest_minutes"):
                for row in rows:
                    _add_window(windows, registry, row)
                await asyncio.sleep(0)
            self.registry, self.windows, self.station_json = registry, windows, {}
        finally:
            buffered, self._buffered = self._buffered, None
        for message in buffered:
            self.apply(message)
        self._registry_version, self._loaded_commit, self._loaded_at = version, committed, time.monotonic()
        self._load_seconds = time.monotonic() - started_at

    async def _load_registry(self) -> PublicRegistry:
        names = ("areas", "sites", "stations", "properties", "datastreams")
        rows_by_collection: dict[str, Any] = {
            name: {row[0]: row for row in sorted(await self._database.fetch_rows(f"select_{name}"), key=itemgetter(0))}
            for name in names
        }
        return PublicRegistry(**rows_by_collection)

    def apply(self, message: LiveMessage) -> list[tuple[LiveObservation, Minute]]:
        """Note what a commit brought; returns each observation with its minute."""
        self._seen_commit = max(self._seen_commit, message.id)
        if self._buffered is not None:
            self._buffered.append(message)
        for observation in message.observations:
            self._apply_observation(observation)
        return [
            (observation, self.build_minute(observation.station, observation.observed_property))
            for observation in message.observations
        ]

    def build_minute(self, station: str, observed_property: str) -> Minute:
        """What is shown of a property at a station where it was measured: its newest minute, corrected too."""
        station_windows = self.windows[station]
        window = station_windows[observed_property]
        rule = find_rule(observed_property)
        if rule is None:
            return window.minute
        humidity_window = station_windows.get(HUMIDITY_PROPERTY)
        air = (
            humidity_window.air
            if humidity_window is not None and abs(humidity_window.newest_ms - window.newest_ms) < MINUTE_MS
            else None
        )
        return with_correction(window.minute, rule, correct_for_humidity(window.minute.mean, air))

    def build_minutes(self, station: str) -> dict[str, Minute]:
        """By property, all that is measured there."""
        return {name: self.build_minute(station, name) for name in self.windows.get(station, {})}

    def _apply_observation(self, observation: LiveObservation) -> None:
        self.station_json.pop(observation.station, None)
        station_windows = self.windows.setdefault(observation.station, {})
        window = station_windows.get(observation.observed_property)
        if window is None:
            row = self.registry.properties.get(observation.observed_property)
            window = MinuteWindow("" if row is None else row[1], observation.readings())
            station_windows[observation.observed_property] = window
        else:
            window.add(observation.readings())

    def require_place(self, kind: str, id_: str) -> Sequence[Any]:
        """The row of a place that a path names; 404 where there is none."""
        row: Sequence[Any] | None = getattr(self.registry, _COLLECTIONS[kind]).get(id_)
        if row is None:
            raise HTTPException(404, f"no {kind} {id_[:80]!r}")
        return row

    def check_parameters(self, **parameters: str | None) -> None:
        """400 where a query parameter (area, station, property) names what does not exist."""
        for name, value in parameters.items():
            if value is None:
                continue
            rows = getattr(self.registry, _COLLECTIONS[name])
            if value not in rows:
                examples = ", ".join(sorted(rows)[:20]) or "none"
                raise HTTPException(400, f"{name}: no {name} {value[:80]!r}; there are: {examples}")


_COLLECTIONS = {"area": "areas", "site": "sites", "station": "stations", "property": "properties"}


def _add_window(windows: dict[str, dict[str, MinuteWindow]], registry: PublicRegistry, row: Sequence[Any]) -> None:
    """A row of `newest` into its place; of two nodes at one station the one that measured last counts."""
    id_, at, value, flags = row
    datastream = registry.datastreams.get(id_)
    if datastream is None or not at:
        return
    station_windows = windows.setdefault(datastream[1], {})
    current = station_windows.get(datastream[3])
    if current is None or current.newest_ms < at[-1]:
        station_windows[datastream[3]] = MinuteWindow(
            registry.properties[datastream[3]][1], zip(at, value, flags, strict=True)
        )
