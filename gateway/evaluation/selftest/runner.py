"""Examine each hour once and store its results in one transaction. The gateway is not affected."""

import asyncio
from datetime import UTC, datetime, timedelta

import psycopg

from alerting.errors import one_line
from alerting.log import get_logger
from gateway.detection.settings import DetectionSettings
from gateway.evaluation.selftest import telemetry
from gateway.evaluation.selftest.hour_loader import EXAMINE_DELAY, ONE_HOUR, QUERIES, HourExaminer, HourResult
from gateway.evaluation.selftest.settings import SelfTestSettings
from gateway.model.timestamps import from_ms
from gateway.store.connection import Transaction, fetch_scalar, open_exclusive

_LOG = get_logger("gateway.evaluation")
_MAX_BACKLOG = timedelta(hours=24)  # oldest hour that is examined after a pause
_POLL_SECONDS = 60.0  # s between checks for an hour that is due
_COMMIT_MARGIN = timedelta(minutes=5)  # time for running transactions to commit


class SelfTestRunner:
    """Examines hours that are due: those whose last synthetic peak is over by now."""

    def __init__(self, dsn: str, detection: DetectionSettings, settings: SelfTestSettings) -> None:
        self._dsn, self._examiner = dsn, HourExaminer(detection, settings)

    async def run(self) -> None:
        """Run until cancelled; a database that is unavailable only delays it."""
        while True:
            try:
                await self._run_connected()
            except psycopg.Error as error:
                _LOG.warning("self-test postponed: database unavailable", error=one_line(error))
            await asyncio.sleep(_POLL_SECONDS)

    async def _run_connected(self) -> None:
        async with await open_exclusive(self._dsn, "piekwacht selftest", QUERIES["try_lock"]) as connection:
            while True:
                await self.examine_due_hours(connection, datetime.now(UTC))
                await asyncio.sleep(_POLL_SECONDS)

    async def examine_due_hours(self, connection: psycopg.AsyncConnection, now: datetime) -> int:
        """Examine every due hour that was not examined; return their number."""
        count = 0
        for (area,) in await (await connection.execute(QUERIES["select_areas"])).fetchall():
            for hour in await self._due_hours(connection, area, now):
                result = await self._examiner.examine(connection, area, hour)
                async with connection.transaction():
                    await store_hour_result(connection, result)
                telemetry.HOURS.labels(area).inc()
                count += 1
        return count

    async def _due_hours(self, tx: Transaction, area: str, now: datetime) -> list[datetime]:
        values = {"area": area, "detector": self._examiner.analyzer.detector.name}
        examined_hour = await fetch_scalar(tx, QUERIES["select_last_hour"], values)
        last = (now - _COMMIT_MARGIN - EXAMINE_DELAY).replace(minute=0, second=0, microsecond=0) - ONE_HOUR
        first = last - _MAX_BACKLOG + ONE_HOUR
        if examined_hour is not None:
            first = max(first, examined_hour + ONE_HOUR)
        return [first + i * ONE_HOUR for i in range(max(0, (last - first) // ONE_HOUR + 1))]


async def store_hour_result(tx: Transaction, result: HourResult) -> None:
    """Store an hour's results; an hour that was examined before does not change."""
    key = {"area": result.area, "detector": result.detector, "hour": result.hour}
    if await (await tx.execute(QUERIES["insert_hour"], key)).fetchone() is None:
        return
    for peak_result in result.peak_results:
        peak, drawn_peak = peak_result.peak, peak_result.drawn_peak
        onset, end = (result.hour, result.hour) if peak is None else (from_ms(peak.onset), from_ms(peak.end))
        values = {
            "copy": drawn_peak.copy,
            "property": drawn_peak.stream.observed_property,
            "station": drawn_peak.stream.station,
            "interval": peak_result.interval,
            "onset": onset,
            "end": end,
            "shape": drawn_peak.shape,
            "multiple": drawn_peak.multiple,
            "height": 0.0 if peak is None else peak.height,
            "outcome": peak_result.outcome.value,
            "called": peak_result.detected_kind,
            "delay": peak_result.delay,
            "ratio": peak_result.ratio,
        }
        await tx.execute(QUERIES["insert_peak"], {**key, **values})
    for exposure in result.exposures:
        values = {
            "property": exposure.observed_property,
            "interval": exposure.interval,
            "sensor_days": exposure.sensor_days,
            "peaks": exposure.peaks,
            "alone": exposure.alone,
        }
        await tx.execute(QUERIES["insert_exposure"], {**key, **values})
