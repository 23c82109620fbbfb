"""An hour of an area from the database: what spoke, the peaks it gets, the readings in their order, the verdicts.

It begins from the live detector's own checkpoint where there is one, else with nothing known some hours before,
so that both the original and the copies are what live detection would have been.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from alerting.sql import load
from gateway.decoding.decode import Payload, observed
from gateway.detection.analyzer import Memory, Senses
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.evaluation.selftest.injection import Trial
from gateway.evaluation.selftest.injection_plan import LONGEST, Draw, Peak, draw, sized
from gateway.evaluation.selftest.outcome import Exposure, Outcome, Verdict
from gateway.evaluation.selftest.settings import SelfTestSettings
from gateway.model.registry import Datastream, Registry
from gateway.model.timestamps import stamp_of
from gateway.quality.flagger import Flagger
from gateway.store import checkpoints, stations
from gateway.store.connection import Transaction

QUERIES = load(Path(__file__).with_name("queries.sql"))
ONE = timedelta(hours=1)
AFTER = timedelta(milliseconds=LONGEST, minutes=10)  # so long after the hour its last peak is over, and found or not
_WARM_UP = timedelta(hours=6)
_FRESH = timedelta(hours=3)  # an older checkpoint is no beginning
_SPOKE = timedelta(minutes=15)
_BATCHES = 1_000


@dataclass(frozen=True, kw_only=True)
class Result:
    """What an hour of an area showed."""

    area: str
    hour: datetime
    detector: str
    verdicts: Sequence[Verdict]
    exposures: Sequence[Exposure]


class Examiner:
    """Examines hours with one detector's settings; keeps nothing between them."""

    def __init__(self, detection: DetectionSettings, settings: SelfTestSettings) -> None:
        self._detection, self._settings = detection, settings
        self.senses = Senses(flagger=Flagger(), detector=Detector(detection))

    async def examine(self, tx: Transaction, area: str, hour: datetime) -> Result:
        """The hour that begins at `hour`. Raises psycopg.Error."""
        registry = await stations.load(tx)
        draws = draw(hour, area, await self._spoke(tx, registry, area, hour), self._settings)
        peaks = [(one, await self._sized(tx, one, hour)) for one in draws]
        first, memory, since = await self._beginning(tx, registry, area, hour)
        real = [peak for _, peak in peaks if peak is not None]
        trial = Trial(self.senses, self._detection, memory, hour=stamp_of(hour), peaks=real)
        values = {"area": area, "since": since, "until": hour + ONE + AFTER, "first": first}
        ids = [int(row[0]) for row in await (await tx.execute(QUERIES["batches"], values)).fetchall()]
        for begin in range(0, len(ids), _BATCHES):
            payloads = await _payloads(tx, registry, ids[begin : begin + _BATCHES])
            await asyncio.to_thread(_take, trial, payloads, registry)
        silent = [Verdict(draw=one, interval=0, outcome=Outcome.SILENT) for one, peak in peaks if peak is None]
        return Result(
            area=area,
            hour=hour,
            detector=self.senses.detector.name,
            verdicts=[*trial.verdicts(), *silent],
            exposures=trial.exposures(),
        )

    async def _spoke(self, tx: Transaction, registry: Registry, area: str, hour: datetime) -> list[Datastream]:
        streams = {d.id: d for d in registry.datastreams}
        values = {"area": area, "properties": list(self._detection.watched()), "since": hour - _SPOKE, "until": hour}
        rows = await (await tx.execute(QUERIES["spoke"], values)).fetchall()
        return [streams[id_] for (id_,) in rows if id_ in streams]

    async def _sized(self, tx: Transaction, one: Draw, hour: datetime) -> Peak | None:
        values = {"id": one.stream.id, "since": hour - _WARM_UP, "until": hour + ONE + AFTER}
        rows = await (await tx.execute(QUERIES["readings"], values)).fetchall()
        at, value = np.array([row[0] for row in rows], np.int64), np.array([row[1] for row in rows], np.float64)
        least = self._detection.watched()[one.stream.observed_property].noise_absolute
        return sized(one, stamp_of(hour), at, value, least)

    async def _beginning(
        self, tx: Transaction, registry: Registry, area: str, hour: datetime
    ) -> tuple[int, Memory, datetime]:
        """The first batch, what was known before it, and from when on readings are wanted."""
        saved = await checkpoints.last(tx, self.senses, registry, area, batch=None, since=hour)
        if saved is not None and saved[1].detection.streams["at"].max(initial=0) >= stamp_of(hour - _FRESH):
            return saved[0], saved[1], hour - _FRESH
        return 0, self.senses.initial(registry), hour - _WARM_UP


async def _payloads(tx: Transaction, registry: Registry, ids: Sequence[int]) -> list[Payload]:
    rows = await (await tx.execute(QUERIES["payloads"], {"ids": list(ids)})).fetchall()
    return [checkpoints.stored(registry, *batch) for _, *batch in rows]


def _take(trial: Trial, payloads: Sequence[Payload], registry: Registry) -> None:
    trial.take(observed(payloads, registry))
