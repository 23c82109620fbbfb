"""Evaluates the detector in a separate process: it reads committed batches and alerts nobody.

`piekwacht evaluate` runs it. `piekwacht up` runs it as a child process that may die without any effect on the others.
"""

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path

from alerting.log import get_logger
from gateway.detection.detector import Detector
from gateway.detection.warm_up import warm_up_kernels
from gateway.errors import StartError
from gateway.evaluation.selftest.runner import SelfTestRunner
from gateway.evaluation.shadow.follower import ShadowFollower
from gateway.evaluation.shadow.settings import ShadowSettings
from gateway.quality.flagger import Flagger
from gateway.settings import Settings
from gateway.system.child_process import make_parent_death_hook

_LOG = get_logger("gateway.service")
_NICENESS = 10  # ingest has priority
_FIRST_RESTART_PAUSE, _MAX_RESTART_PAUSE = 5.0, 300.0  # s until a child is restarted; doubled each time
_STOP_TIMEOUT = 5.0  # s until a child that does not stop is killed


async def run(settings: Settings) -> None:
    """Until cancelled. StartError if neither [shadow] nor [selftest] is configured."""
    if not settings.has_evaluation:
        raise StartError("nothing to evaluate: put [shadow] or [selftest] into the configuration")
    with suppress(PermissionError):  # a systemd unit that forbids it sets the niceness itself
        os.nice(_NICENESS)
    await asyncio.to_thread(warm_up_kernels, Flagger(), Detector(settings.detection))
    async with asyncio.TaskGroup() as group:
        if settings.shadow is not None:
            group.create_task(_run_follower(settings.database.dsn, settings.shadow))
        if settings.selftest is not None:
            group.create_task(SelfTestRunner(settings.database.dsn, settings.detection, settings.selftest).run())


async def _run_follower(dsn: str, shadow: ShadowSettings) -> None:
    follower = ShadowFollower(dsn, shadow)
    try:
        await follower.run()
    finally:
        await follower.close()


async def supervise_child(settings: Settings, config: Path) -> None:
    """Keep `piekwacht evaluate` running as a child until cancelled, however it ends."""
    pause = _FIRST_RESTART_PAUSE
    while settings.has_evaluation:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "evaluate", "--config", str(config)),
            stdin=asyncio.subprocess.DEVNULL,
            preexec_fn=make_parent_death_hook(os.getpid()),
            process_group=0,
        )
        try:
            code = await child.wait()
        finally:
            await _stop_child(child)
        _LOG.warning("evaluation process ended; restarting", exit_code=code, pause_seconds=pause)
        await asyncio.sleep(pause)
        pause = min(2 * pause, _MAX_RESTART_PAUSE)


async def _stop_child(child: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        if child.returncode is None:
            child.terminate()
            with suppress(TimeoutError):
                await asyncio.wait_for(child.wait(), _STOP_TIMEOUT)
        if child.returncode is None:
            child.kill()
            await child.wait()
