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

from gateway.api.data.database import Reader
from gateway.api.schemas.observations import Minute, beside, flag_names
from gateway.api.schemas.schema import instant
from gateway.export.selection import Averaging, Selection
from gateway.live.message import MINUTE, LiveMessage, LiveObservation
from gateway.model.timestamps import moment
from gateway.quality.humidity_correction import HUMIDITY, Air, dry, rule_for

_ASK = 1.0  # seconds between questions to the database
_GRACE = 0.5  # seconds the live feed may be behind a commit
_ANEW = 60.0  # seconds after which all is read again, for what came as history only

Reading = tuple[int, float | None, int]  # ms UTC, value, flags


class Window:
    """The readings of the last minute of one property at one station."""

    __slots__ = ("air", "minute", "readings", "unit")

    def __init__(self, unit: str, readings: Iterable[Reading]) -> None:
        self.unit = unit
        self.readings = deque(readings)
        self.minute = self._summed()

    @property
    def newest(self) -> int:
        """Time of the newest reading, ms UTC."""
        return self.readings[-1][0]

    def take(self, readings: Sequence[Reading]) -> None:
        """Newer readings, in order; what is older than a minute before them leaves."""
        latest = self.readings[-1][0]
        for reading in readings:
            if reading[0] > latest:
                self.readings.append(reading)
        while self.readings[0][0] <= self.readings[-1][0] - MINUTE:
            self.readings.popleft()
        self.minute = self._summed()

    def _summed(self) -> Minute:
        values = [value for _, value, _ in self.readings if value is not None]
        flags = 0
        for _, _, bits in self.readings:
            flags |= bits
        at, value, _ = self.readings[-1]
        turning = self.unit == "deg"
        mean = (_bearing(values) if turning else math.fsum(values) / len(values)) if values else None
        self.air = Air(humidity=mean, flags=flags)  # what it says where this is the humidity
        return Minute(
            unit=self.unit,
            observed_at=instant(moment(at)),
            value=value,
            mean=mean,
            max=None if turning else max(values, default=None),  # no direction is the highest
            valid_count=len(values),
            flags=flag_names(flags),
        )


def _bearing(values: Sequence[float]) -> float:
    """The mean direction, degrees from north: of 359 and 1 it is 0."""
    east = math.fsum(math.sin(math.radians(one)) for one in values)
    north = math.fsum(math.cos(math.radians(one)) for one in values)
    return math.degrees(math.atan2(east, north)) % 360


@dataclass(frozen=True, kw_only=True)
class Places:
    """The registry as the public sees it: rows of the queries of the same names, by id."""

    areas: dict[str, Sequence[Any]] = field(default_factory=dict)
    sites: dict[str, Sequence[Any]] = field(default_factory=dict)
    stations: dict[str, Sequence[Any]] = field(default_factory=dict)
    properties: dict[str, Sequence[Any]] = field(default_factory=dict)
    datastreams: dict[int, Sequence[Any]] = field(default_factory=dict)

    def datastreams_of(self, station: str, observed_property: str) -> Sequence[int]:
        """Ids of the datastreams that measured this there, one for each node that ever stood there."""
        return self._by_place.get((station, observed_property), ())

    def humidity_of(self, ids: Sequence[int]) -> dict[int, int]:
        """Of each datastream the one that tells how humid it was there: of the same node, else of another."""
        out = {}
        for id_ in ids:
            _, station, node, *_ = self.datastreams[id_]
            there = self.datastreams_of(station, HUMIDITY)
            if there:
                out[id_] = min(there, key=lambda one: (self.datastreams[one][2] != node, one))
        return out

    def selection(
        self, station: str, observed_property: str, period: tuple[datetime, datetime], averaging: Averaging,
        ids: Sequence[int] | None = None,
    ) -> Selection:  # fmt: skip
        """What of a known property at a known station is to be read; `ids`: only of these datastreams."""
        chosen = self.datastreams_of(station, observed_property) if ids is None else ids
        return Selection(
            station=station,
            observed_property=observed_property,
            unit=self.properties[observed_property][1],
            ids=chosen,
            start=period[0],
            end=period[1],
            averaging=averaging,
            humidity=self.humidity_of(chosen),
        )

    @cached_property
    def _by_place(self) -> dict[tuple[str, str], list[int]]:
        out: dict[tuple[str, str], list[int]] = {}
        for id_, row in self.datastreams.items():
            out.setdefault((row[1], row[3]), []).append(id_)
        return out


class Board:
    """Owned by one process; read it through `current`."""

    def __init__(self, reader: Reader) -> None:
        self._reader, self._seen = reader, 0
        self.places = Places()
        self.windows: dict[str, dict[str, Window]] = {}
        self.rendered: dict[str, Raw] = {}  # stations as JSON, until something there changes
        self._version: int | None = None
        self._read_up_to = 0
        self._asked = self._read_at = -math.inf
        self._seconds = 0.0
        self._lock = asyncio.Lock()
        self._meanwhile: list[LiveMessage] | None = None

    async def current(self) -> "Board":
        """This board, not older than the database by more than about a second. Raises 503 while that is away."""
        if time.monotonic() - self._asked > _ASK:
            async with self._lock:
                if time.monotonic() - self._asked > _ASK:
                    await self._refresh()
                    self._asked = time.monotonic()
        return self

    async def _refresh(self) -> None:
        ((version, committed),) = await self._reader.rows("version")
        old = time.monotonic() - self._read_at > max(_ANEW, 50 * self._seconds)
        if version == self._version and not old and await self._caught_up(committed):
            return
        await self._read(version, committed)

    async def _caught_up(self, committed: int) -> bool:
        end = time.monotonic() + _GRACE
        while max(self._seen, self._read_up_to) < committed:
            if time.monotonic() > end:
                return False
            await asyncio.sleep(0.02)
        return True

    async def committed(self) -> int:
        """The number of the newest commit in the database; 0 while that is away."""
        try:
            ((_, number),) = await self._reader.rows("version")
        except HTTPException:
            return 0
        return int(number)

    def distrust(self) -> None:
        """Something was missed: read everything anew before the next answer."""
        self._version, self._asked = None, -math.inf

    async def _read(self, version: int, committed: int) -> None:
        """Everything anew from the database; what the live feed brings meanwhile is added after it."""
        began = time.monotonic()
        self._meanwhile = []
        try:
            places = await self._places()
            windows: dict[str, dict[str, Window]] = {}
            async for rows in self._reader.batches("newest"):
                for row in rows:
                    _place(windows, places, row)
                await asyncio.sleep(0)
            self.places, self.windows, self.rendered = places, windows, {}
        finally:
            meanwhile, self._meanwhile = self._meanwhile, None
        for message in meanwhile:
            self.take(message)
        self._version, self._read_up_to, self._read_at = version, committed, time.monotonic()
        self._seconds = time.monotonic() - began

    async def _places(self) -> Places:
        names = ("areas", "sites", "stations", "properties", "datastreams")
        found: dict[str, Any] = {
            name: {row[0]: row for row in sorted(await self._reader.rows(name), key=itemgetter(0))} for name in names
        }
        return Places(**found)

    def take(self, message: LiveMessage) -> list[tuple[LiveObservation, Minute]]:
        """Note what a commit brought; returns each observation with its minute."""
        self._seen = max(self._seen, message.id)
        if self._meanwhile is not None:
            self._meanwhile.append(message)
        for observation in message.observations:
            self._note(observation)
        return [(one, self.minute(one.station, one.observed_property)) for one in message.observations]

    def minute(self, station: str, observed_property: str) -> Minute:
        """What is shown of a property at a station where it was measured: its newest minute, corrected too."""
        there = self.windows[station]
        window = there[observed_property]
        rule = rule_for(observed_property)
        if rule is None:
            return window.minute
        humid = there.get(HUMIDITY)
        air = humid.air if humid is not None and abs(humid.newest - window.newest) < MINUTE else None
        return beside(window.minute, rule, dry(window.minute.mean, air))

    def minutes(self, station: str) -> dict[str, Minute]:
        """By property, all that is measured there."""
        return {name: self.minute(station, name) for name in self.windows.get(station, {})}

    def _note(self, observation: LiveObservation) -> None:
        self.rendered.pop(observation.station, None)
        there = self.windows.setdefault(observation.station, {})
        window = there.get(observation.observed_property)
        if window is None:
            row = self.places.properties.get(observation.observed_property)
            window = Window("" if row is None else row[1], observation.readings())
            there[observation.observed_property] = window
        else:
            window.take(observation.readings())

    def known(self, kind: str, id_: str) -> Sequence[Any]:
        """The row of a place that a path names; 404 where there is none."""
        found: Sequence[Any] | None = getattr(self.places, _PLURAL[kind]).get(id_)
        if found is None:
            raise HTTPException(404, f"no {kind} {id_[:80]!r}")
        return found

    def check(self, **asked: str | None) -> None:
        """400 where a query parameter (area, station, property) names what does not exist."""
        for name, value in asked.items():
            if value is None:
                continue
            there = getattr(self.places, _PLURAL[name])
            if value not in there:
                some = ", ".join(sorted(there)[:20]) or "none"
                raise HTTPException(400, f"{name}: no {name} {value[:80]!r}; there are: {some}")


_PLURAL = {"area": "areas", "site": "sites", "station": "stations", "property": "properties"}


def _place(windows: dict[str, dict[str, Window]], places: Places, row: Sequence[Any]) -> None:
    """A row of `newest` into its place; of two nodes at one station the one that measured last counts."""
    id_, at, value, flags = row
    stream = places.datastreams.get(id_)
    if stream is None or not at:
        return
    there = windows.setdefault(stream[1], {})
    before = there.get(stream[3])
    if before is None or before.newest < at[-1]:
        there[stream[3]] = Window(places.properties[stream[3]][1], zip(at, value, flags, strict=True))
