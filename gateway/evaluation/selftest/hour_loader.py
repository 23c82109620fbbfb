"""An hour of an area from the database: active datastreams, injected peaks, readings in order, results.

It starts from the live detector's checkpoint, or without history some hours earlier if there is none. Original and
copies then equal what live detection would have seen.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from alerting.sql import load_queries
from gateway.decoding.decode import Payload, decode_observations
from gateway.detection.analyzer import Analyzer, AnalyzerState
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.evaluation.selftest.injection import InjectionTrial
from gateway.evaluation.selftest.injection_plan import MAX_DURATION_MS, DrawnPeak, SyntheticPeak, draw_peaks, size_peak
from gateway.evaluation.selftest.outcome import Exposure, PeakOutcome, PeakResult
from gateway.evaluation.selftest.settings import SelfTestSettings
from gateway.model.registry import Datastream, Registry
from gateway.model.timestamps import to_ms
from gateway.quality.flagger import Flagger
from gateway.store import checkpoints, stations
from gateway.store.batches import StoredBatch
from gateway.store.connection import Transaction, fetch_all

QUERIES = load_queries(Path(__file__).with_name("queries.sql"))
ONE_HOUR = timedelta(hours=1)
EXAMINE_DELAY = timedelta(
    milliseconds=MAX_DURATION_MS, minutes=10
)  # so long after the hour its last peak is over, detected or not
_WARM_UP = timedelta(hours=6)
_MAX_CHECKPOINT_AGE = timedelta(hours=3)  # an older checkpoint is not used
_ACTIVE_WITHIN = timedelta(minutes=15)
_BATCH_LIMIT = 1_000


@dataclass(frozen=True, kw_only=True)
class HourResult:
    """Results of one hour of an area."""

    area: str
    hour: datetime
    detector: str
    peak_results: Sequence[PeakResult]
    exposures: Sequence[Exposure]


class HourExaminer:
    """Examines hours with one detector's settings; holds no state between them."""

    def __init__(self, detection: DetectionSettings, settings: SelfTestSettings) -> None:
        self._detection, self._settings = detection, settings
        self.analyzer = Analyzer(flagger=Flagger(), detector=Detector(detection))

    async def examine(self, tx: Transaction, area: str, hour: datetime) -> HourResult:
        """Examine the hour that begins at `hour`. Raises psycopg.Error."""
        registry = await stations.load_registry(tx)
        draws = draw_peaks(hour, area, await self._active_datastreams(tx, registry, area, hour), self._settings)
        peaks = [(drawn_peak, await self._size_peak(tx, drawn_peak, hour)) for drawn_peak in draws]
        first_batch, state, since = await self._load_start(tx, registry, area, hour)
        sized_peaks = [peak for _, peak in peaks if peak is not None]
        trial = InjectionTrial(self.analyzer, self._detection, state, hour=to_ms(hour), peaks=sized_peaks)
        values = {"area": area, "since": since, "until": hour + ONE_HOUR + EXAMINE_DELAY, "first": first_batch}
        ids = [int(id_) for (id_,) in await (await tx.execute(QUERIES["select_batch_ids"], values)).fetchall()]
        for begin in range(0, len(ids), _BATCH_LIMIT):
            payloads = await _load_payloads(tx, registry, ids[begin : begin + _BATCH_LIMIT])
            await asyncio.to_thread(_feed_trial, trial, payloads, registry)
        silent_results = [
            PeakResult(drawn_peak=drawn_peak, interval=0, outcome=PeakOutcome.SILENT)
            for drawn_peak, peak in peaks
            if peak is None
        ]
        return HourResult(
            area=area,
            hour=hour,
            detector=self.analyzer.detector.name,
            peak_results=[*trial.peak_results(), *silent_results],
            exposures=trial.exposures(),
        )

    async def _active_datastreams(
        self, tx: Transaction, registry: Registry, area: str, hour: datetime
    ) -> list[Datastream]:
        datastreams = {datastream.id: datastream for datastream in registry.datastreams}
        values = {
            "area": area,
            "properties": list(self._detection.enabled_properties()),
            "since": hour - _ACTIVE_WITHIN,
            "until": hour,
        }
        rows = await (await tx.execute(QUERIES["select_active_datastreams"], values)).fetchall()
        return [datastreams[id_] for (id_,) in rows if id_ in datastreams]

    async def _size_peak(self, tx: Transaction, drawn_peak: DrawnPeak, hour: datetime) -> SyntheticPeak | None:
        values = {"id": drawn_peak.stream.id, "since": hour - _WARM_UP, "until": hour + ONE_HOUR + EXAMINE_DELAY}
        rows = await (await tx.execute(QUERIES["select_readings"], values)).fetchall()
        at = np.array([observed_at for observed_at, _ in rows], np.int64)
        value = np.array([value for _, value in rows], np.float64)
        min_noise = self._detection.enabled_properties()[drawn_peak.stream.observed_property].noise_absolute
        return size_peak(drawn_peak, to_ms(hour), at, value, min_noise)

    async def _load_start(
        self, tx: Transaction, registry: Registry, area: str, hour: datetime
    ) -> tuple[int, AnalyzerState, datetime]:
        """Return the first batch, the state before it, and the time from which readings are used."""
        checkpoint = await checkpoints.load_checkpoint(tx, self.analyzer, registry, area, batch=None, since=hour)
        if checkpoint is not None and checkpoint.state.detection.streams["at"].max(initial=0) >= to_ms(
            hour - _MAX_CHECKPOINT_AGE
        ):
            return checkpoint.next_batch, checkpoint.state, hour - _MAX_CHECKPOINT_AGE
        return 0, self.analyzer.initial(registry), hour - _WARM_UP


async def _load_payloads(tx: Transaction, registry: Registry, ids: Sequence[int]) -> list[Payload]:
    batches = await fetch_all(tx, StoredBatch, QUERIES["select_payloads"], {"ids": list(ids)})
    return [batch.to_payload(registry) for batch in batches]


def _feed_trial(trial: InjectionTrial, payloads: Sequence[Payload], registry: Registry) -> None:
    trial.feed(decode_observations(payloads, registry))
