"""Hour after hour, each once: examine, keep the results, all in one transaction. Nothing of it touches the gateway."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import psycopg

from gateway.detection.settings import DetectionSettings
from gateway.evaluation.selftest import telemetry
from gateway.evaluation.selftest.hour_loader import AFTER, ONE, QUERIES, Examiner, Result
from gateway.evaluation.selftest.settings import SelfTestSettings
from gateway.model.timestamps import moment
from gateway.store.connection import Transaction

_LOG = logging.getLogger(__name__)
_BACK = timedelta(hours=24)  # so far back it begins, and catches up after it was away
_LOOK = 60.0  # s between looks at whether an hour is ripe
_SETTLED = timedelta(minutes=5)  # until what was under way is committed


class Runner:
    """Examines what is ripe: an hour whose last synthetic peak would be over by now."""

    def __init__(self, dsn: str, detection: DetectionSettings, settings: SelfTestSettings) -> None:
        self._dsn, self._examiner = dsn, Examiner(detection, settings)

    async def run(self) -> None:
        """Until cancelled; a database that is away only puts it off."""
        while True:
            try:
                await self._while_connected()
            except psycopg.Error as error:
                _LOG.warning("the self-test goes on later: %s", " ".join(str(error).split()))
            await asyncio.sleep(_LOOK)

    async def _while_connected(self) -> None:
        connection = await psycopg.AsyncConnection.connect(
            self._dsn, autocommit=True, connect_timeout=5, application_name="piekwacht selftest"
        )
        async with connection:
            row = await (await connection.execute(QUERIES["hold"])).fetchone()
            if row is None or not row[0]:
                raise psycopg.OperationalError("another process runs it")
            while True:
                await self.examine_ripe(connection, datetime.now(UTC))
                await asyncio.sleep(_LOOK)

    async def examine_ripe(self, connection: psycopg.AsyncConnection, now: datetime) -> int:
        """Examine every hour that is ripe and was not examined; returns how many."""
        count = 0
        for (area,) in await (await connection.execute(QUERIES["areas"])).fetchall():
            for hour in await self._ripe(connection, area, now):
                result = await self._examiner.examine(connection, area, hour)
                async with connection.transaction():
                    await keep(connection, result)
                telemetry.HOURS.labels(area).inc()
                count += 1
        return count

    async def _ripe(self, tx: Transaction, area: str, now: datetime) -> list[datetime]:
        values = {"area": area, "detector": self._examiner.senses.detector.name}
        row = await (await tx.execute(QUERIES["examined"], values)).fetchone()
        last = (now - _SETTLED - AFTER).replace(minute=0, second=0, microsecond=0) - ONE
        first = last - _BACK + ONE
        if row is not None and row[0] is not None:
            first = max(first, row[0] + ONE)
        return [first + i * ONE for i in range(max(0, (last - first) // ONE + 1))]


async def keep(tx: Transaction, result: Result) -> None:
    """Keep an hour's results; examined before, nothing changes."""
    whose = {"area": result.area, "detector": result.detector, "hour": result.hour}
    if await (await tx.execute(QUERIES["examine"], whose)).fetchone() is None:
        return
    for verdict in result.verdicts:
        peak, one = verdict.peak, verdict.draw
        onset, end = (result.hour, result.hour) if peak is None else (moment(peak.onset), moment(peak.end))
        facts = {
            "copy": one.copy,
            "property": one.stream.observed_property,
            "station": one.stream.station,
            "interval": verdict.interval,
            "onset": onset,
            "end": end,
            "shape": one.shape,
            "multiple": one.multiple,
            "height": 0.0 if peak is None else peak.height,
            "outcome": verdict.outcome.value,
            "called": verdict.called,
            "delay": verdict.delay,
            "ratio": verdict.ratio,
        }
        await tx.execute(QUERIES["keep_peak"], {**whose, **facts})
    for exposure in result.exposures:
        facts = {
            "property": exposure.observed_property,
            "interval": exposure.interval,
            "sensor_days": exposure.sensor_days,
            "peaks": exposure.peaks,
            "alone": exposure.alone,
        }
        await tx.execute(QUERIES["keep_exposure"], {**whose, **facts})
