"""The newest minute of every station and the public registry, held in memory by each API process.

The live feed keeps the minutes up to date; the database stays the truth. At most once a second a reader fetches two
numbers from the database: the registry's version and the number of the newest commit. If the live feed has not
delivered that commit within half a second, everything is loaded again. If the database is away, a reader gets an
HTTPException with status 503.
"""

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Protocol, TypeVar

from fastapi import HTTPException
from msgspec import Raw
from psycopg.rows import TupleRow

from alerting.log import get_logger
from gateway.api.data.area_base import AreaBase
from gateway.api.data.database import Database
from gateway.api.data.gazetteer import Gazetteer, build_gazetteer
from gateway.api.data.loading import load_public_registry
from gateway.api.data.minute_window import MinuteWindow
from gateway.api.data.registry import PublicRegistry
from gateway.api.schemas.observations import Minute, with_correction
from gateway.live.message import MINUTE_MS, LiveMessage, LiveObservation
from gateway.model.properties import average_of
from gateway.model.timestamps import from_ms, to_ms
from gateway.quality.correction import apply_rule
from gateway.quality.humidity_correction import HUMIDITY_PROPERTY

_LOG = get_logger("gateway.api")
_CHECK_INTERVAL = 1.0  # s between version checks in the database
_COMMIT_GRACE = 0.5  # s that the live feed may be behind a commit
_CLOCK_TOLERANCE_MS = 120_000  # a later stamp is of a wrong clock, and never newest
_RELOAD_INTERVAL = 60.0  # s until everything is loaded again: late data do not come over the live feed


@dataclass(frozen=True, kw_only=True)
class _Versions:
    """The registry's version, and the number of the newest commit."""

    registry: int
    commit: int


class _HasId(Protocol):
    @property
    def id(self) -> object: ...


Row = TypeVar("Row", bound=_HasId)


@dataclass(frozen=True, kw_only=True)
class AppliedValues:
    """The observations of a commit with their newest minutes, and the stations of which one could not be read."""

    minutes: Sequence[tuple[LiveObservation, Minute]]
    unread_stations: Sequence[str]


class LatestValues:
    """Owned by one process. Call `refresh_if_stale` before reading."""

    def __init__(self, database: Database, bases: Mapping[str, AreaBase] = MappingProxyType({})) -> None:
        self._database, self._bases, self._seen_commit = database, bases, 0
        self.registry, self.gazetteer = PublicRegistry(), Gazetteer(())
        self.windows: dict[str, dict[str, MinuteWindow]] = {}
        self.station_json: dict[str, Raw] = {}  # stations as JSON, until one of their values changes
        self.community_json: dict[str, Raw] = {}  # the same in the form of Sensor.Community
        self._registry_version: int | None = None
        self._loaded_commit = 0
        self._checked_at = self._loaded_at = -math.inf
        self._load_seconds = 0.0
        self._lock = asyncio.Lock()
        self._buffered: list[LiveMessage] | None = None

    async def refresh_if_stale(self) -> "LatestValues":
        """Bring the values up to at most about a second behind the database, and return self."""
        if time.monotonic() - self._checked_at > _CHECK_INTERVAL:
            async with self._lock:
                if time.monotonic() - self._checked_at > _CHECK_INTERVAL:
                    await self._refresh()
                    self._checked_at = time.monotonic()
        return self

    async def _refresh(self) -> None:
        (versions,) = await self._database.fetch(_Versions, "select_versions")
        is_old = time.monotonic() - self._loaded_at > max(_RELOAD_INTERVAL, 50 * self._load_seconds)
        if versions.registry == self._registry_version and not is_old and await self._wait_for_commit(versions.commit):
            return
        await self._load(versions)

    async def _wait_for_commit(self, commit: int) -> bool:
        deadline = time.monotonic() + _COMMIT_GRACE
        while max(self._seen_commit, self._loaded_commit) < commit:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.02)
        return True

    async def fetch_commit(self) -> int:
        """The number of the newest commit in the database; 0 if the database is away."""
        try:
            (versions,) = await self._database.fetch(_Versions, "select_versions")
        except HTTPException:
            return 0
        return versions.commit

    def invalidate(self) -> None:
        """Load everything again before the next read, because live messages were missed."""
        self._registry_version, self._checked_at = None, -math.inf

    async def _load(self, versions: _Versions) -> None:
        """Load everything from the database, then apply the live messages that arrived during the load."""
        started_at = time.monotonic()
        self._buffered = []
        try:
            registry = await load_public_registry(self._database.fetch)
            windows = await self._load_windows(registry)
            self.registry, self.windows, self.station_json, self.community_json = registry, windows, {}, {}
            places = [place for id_ in registry.areas if id_ in self._bases for place in self._bases[id_].places]
            self.gazetteer = build_gazetteer(places, registry.stations.values())
        finally:
            buffered, self._buffered = self._buffered, None
        for message in buffered:
            self.apply(message)
        self._registry_version, self._loaded_commit = versions.registry, versions.commit
        self._loaded_at = time.monotonic()
        self._load_seconds = time.monotonic() - started_at

    async def _load_windows(self, registry: PublicRegistry) -> dict[str, dict[str, MinuteWindow]]:
        windows: dict[str, dict[str, MinuteWindow]] = {}
        async for rows in self._database.stream_rows("select_newest_minutes"):
            for row in rows:
                _add_window(windows, registry, row)
            await asyncio.sleep(0)
        return windows

    def apply(self, message: LiveMessage) -> "AppliedValues":
        """Add the observations of a commit; returns each with its newest minute.

        A stamp more than two minutes ahead of the clock is left out, whatever others believed of it. An observation
        that cannot be read costs its station alone: it is loaded from the database before the next answer.
        """
        self._seen_commit = max(self._seen_commit, message.id)
        if self._buffered is not None:
            self._buffered.append(message)
        latest_ms = to_ms(datetime.now(UTC)) + _CLOCK_TOLERANCE_MS
        unread_stations = {
            observation.station
            for observation in message.observations
            if not self._try_observation(observation, latest_ms)
        }
        return AppliedValues(
            minutes=[
                (observation, self.build_minute(observation.station, observation.observed_property))
                for observation in message.observations
                if observation.observed_property in self.windows.get(observation.station, {})
                and observation.station not in unread_stations
            ],
            unread_stations=sorted(unread_stations),
        )

    def _try_observation(self, observation: LiveObservation, latest_ms: int) -> bool:
        """Add an observation; False if it cannot be read."""
        try:
            self._apply_observation(observation, latest_ms)
        except Exception:  # noqa: BLE001 - it concerns this station only
            _LOG.exception("live value not read", station=observation.station, property=observation.observed_property)
            self.windows.pop(observation.station, None)
            self._drop_json(observation.station)
            self.invalidate()
            return False
        return True

    def build_minute(self, station: str, observed_property: str) -> Minute:
        """The newest minute of a property that the station measures, with its corrected value."""
        station_windows = self.windows[station]
        window = station_windows[observed_property]
        if window.newest_ms is None:
            return window.minute
        rule = self.registry.find_applied_rule(window.node, observed_property, from_ms(window.newest_ms))
        if rule is None:
            return window.minute
        humidity_window = station_windows.get(HUMIDITY_PROPERTY)
        air = (
            humidity_window.air if humidity_window is not None and humidity_window.is_near(window, MINUTE_MS) else None
        )
        return with_correction(window.minute, rule.label, apply_rule(rule, window.minute.mean, air))

    def build_minutes(self, station: str) -> dict[str, Minute]:
        """The newest minutes of a station by property."""
        return {name: self.build_minute(station, name) for name in self.windows.get(station, {})}

    def _apply_observation(self, observation: LiveObservation, latest_ms: int) -> None:
        readings = [reading for reading in observation.readings() if reading[0] <= latest_ms]
        if not readings:
            return
        self._drop_json(observation.station)
        station_windows = self.windows.setdefault(observation.station, {})
        window = station_windows.get(observation.observed_property)
        if window is None:
            row = self.registry.properties.get(observation.observed_property)
            window = MinuteWindow(
                "" if row is None else row.unit,
                readings,
                observation.node,
                rule=average_of(observation.observed_property),
            )
            station_windows[observation.observed_property] = window
        else:
            window.add(readings, observation.node)

    def _drop_json(self, station: str) -> None:
        self.station_json.pop(station, None)
        self.community_json.pop(station, None)

    def check_parameters(
        self,
        *,
        area: str | None = None,
        station: str | None = None,
        observed_property: str | None = None,
    ) -> None:
        """Raise HTTPException 400 if a query parameter names an unknown area, station or property."""
        _check_parameter("area", area, self.registry.areas)
        _check_parameter("station", station, self.registry.stations)
        _check_parameter("property", observed_property, self.registry.properties)


def require_row(collection: Mapping[str, Row], kind: str, id_: str) -> Row:
    """The row that a path names; raises HTTPException 404 if there is none."""
    row = collection.get(id_)
    if row is None:
        raise HTTPException(404, f"no {kind} {id_[:80]!r}")
    return row


def _check_parameter(name: str, value: str | None, collection: Mapping[str, object]) -> None:
    if value is not None and value not in collection:
        examples = ", ".join(sorted(collection)[:20]) or "none"
        raise HTTPException(400, f"{name}: no {name} {value[:80]!r}; there are: {examples}")


def _add_window(windows: dict[str, dict[str, MinuteWindow]], registry: PublicRegistry, row: TupleRow) -> None:
    """Add a row of `select_newest_minutes`; of two nodes at one station the one with the newest valid value counts."""
    id_, at, value, flags = row
    datastream = registry.datastreams.get(id_)
    if datastream is None or not at:
        return
    station_windows = windows.setdefault(datastream.station, {})
    current = station_windows.get(datastream.observed_property)
    unit = registry.properties[datastream.observed_property].unit
    window = MinuteWindow(
        unit, zip(at, value, flags, strict=True), datastream.node, rule=average_of(datastream.observed_property)
    )
    if current is None or current.rank < window.rank:
        station_windows[datastream.observed_property] = window
