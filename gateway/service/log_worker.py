"""Runs the sequencers of the public log beside ingest, for the areas that this process writes for.

A failure is logged once, counted, and tried again after the interval. Ingest never stops for it.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from alerting.errors import one_line
from alerting.log import get_logger
from edge_agent.wire import Signer
from gateway import telemetry
from gateway.store.connection import LockHeldError
from gateway.store.public_log import LogStore, list_areas
from gateway.transparency.head_services import HeadServices, open_head_services
from gateway.transparency.log_folder import LogFolder
from gateway.transparency.sequencer import LogSequencer
from gateway.transparency.settings import PublicLogSettings

_LOG = get_logger("gateway.transparency")


class LogWorker:
    """Sequencers of the logs of some areas."""

    def __init__(self, settings: PublicLogSettings, dsn: str, areas: Sequence[str], connection_name: str) -> None:
        """`connection_name`: application_name of the connections, by which a dead worker is fenced."""
        self._settings, self._dsn, self._areas = settings, dsn, list(areas)
        self._connection_name = connection_name
        self._logs: dict[str, _OpenLog] = {}
        self._failures: dict[str, str] = {}

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                started_at = time.monotonic()
                has_more = await self.run_once()
                pause = 0.0 if has_more else self._settings.interval_seconds - (time.monotonic() - started_at)
                await asyncio.sleep(max(0.0, pause))
        finally:
            await self.aclose()

    async def run_once(self) -> bool:
        """Run one step of every log; return whether leaves of one still wait for an index."""
        return any([await self._run_area(area) for area in await self._list_areas()])

    async def aclose(self) -> None:
        """Close all connections."""
        for area in list(self._logs):
            await self._close(area)

    async def _list_areas(self) -> list[str]:
        if self._areas and self._areas != ["*"]:
            return self._areas
        try:
            return await asyncio.to_thread(list_areas, self._dsn)
        except Exception as error:  # noqa: BLE001 - as in _run_area
            self._report_failure("*", error)
            return []

    async def _run_area(self, area: str) -> bool:
        """Run a step; return whether another one should follow at once."""
        try:
            if area not in self._logs:
                self._logs[area] = await asyncio.to_thread(self._open, area)
            result = await self._logs[area].sequencer.run_step()
        except Exception as error:  # noqa: BLE001 - ingest runs in the same process and must not stop
            await self._close(area)
            self._report_failure(area, error)
            return False
        telemetry.LOG_SIZE.labels(area).set(result.size)
        if not result.has_more:
            telemetry.LOG_CHECKPOINT_AT.labels(area).set_to_current_time()
        if self._failures.pop(area, None) is not None:
            _LOG.info("public log continues", area=area, size=result.size)
        return result.has_more

    def _open(self, area: str) -> "_OpenLog":
        settings = self._settings
        signer = settings.load_signer(area)
        folder = LogFolder.of(settings, area)
        folder.write_policy(read_policy(settings, signer))
        services = open_head_services(
            policy=settings.policy,
            time_stamp_url=settings.time_stamp_url,
            time_stamp_certificate=settings.time_stamp_certificate,
            folder=folder.path,
        )
        store = LogStore(self._dsn, area, name=self._connection_name)
        return _OpenLog(sequencer=LogSequencer(store, folder, signer, cosign=services.cosign), services=services)

    async def _close(self, area: str) -> None:
        log = self._logs.pop(area, None)
        if log is not None:
            log.sequencer.close()
            await log.services.aclose()

    def _report_failure(self, area: str, error: Exception) -> None:
        """Log a failure once, until it changes; a log that another process writes is not one."""
        sentence = one_line(error)
        is_new = self._failures.get(area) != sentence
        self._failures[area] = sentence
        if isinstance(error, LockHeldError):
            if is_new:
                _LOG.info("public log is written by another process", area=area)
            return
        telemetry.LOG_FAILURES.labels(area).inc()
        if is_new:
            _LOG.error("public log stands still", area=area, error=sentence)


@dataclass(frozen=True, kw_only=True)
class _OpenLog:
    """Sequencer of an area, and the witnesses and the time stamps of its heads."""

    sequencer: LogSequencer
    services: HeadServices


def read_policy(settings: PublicLogSettings, signer: Signer) -> str:
    """Text of the policy of the settings; without one, a policy that trusts the log alone. Raises OSError."""
    if settings.policy is not None:
        return settings.policy.read_text()
    return f"log {signer.verifier}\nquorum none\n"
