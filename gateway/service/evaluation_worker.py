"""What judges the detector while it works, in a process of its own: it reads what was committed and alerts nobody.

`piekwacht beside` runs it; so does `piekwacht up`, as a child that may die without anything else noticing.
"""

import asyncio
import logging
import os
import sys
from contextlib import suppress
from pathlib import Path

from gateway.detection.detector import Detector
from gateway.detection.warm_up import rehearse
from gateway.errors import StartError
from gateway.evaluation.selftest.runner import Runner
from gateway.evaluation.shadow.follower import Follower
from gateway.evaluation.shadow.settings import ShadowSettings
from gateway.quality.flagger import Flagger
from gateway.settings import Settings
from gateway.system.child_process import dying_with_parent

_LOG = logging.getLogger(__name__)
_NICE = 10  # whoever takes in readings goes first
_FIRST, _LONGEST = 5.0, 300.0  # s until a child that ended is started again; doubled each time
_LEAVE = 5.0  # s to end in order


async def run(settings: Settings) -> None:
    """Until cancelled. StartError where nothing is asked for."""
    if not settings.judges:
        raise StartError("nothing to do beside the gateway: put [shadow] or [selftest] into the configuration")
    with suppress(PermissionError):  # a unit that forbids it has set it itself
        os.nice(_NICE)
    await asyncio.to_thread(rehearse, Flagger(), Detector(settings.detection))
    async with asyncio.TaskGroup() as group:
        if settings.shadow is not None:
            group.create_task(_follow(settings.database.dsn, settings.shadow))
        if settings.selftest is not None:
            group.create_task(Runner(settings.database.dsn, settings.detection, settings.selftest).run())


async def _follow(dsn: str, shadow: ShadowSettings) -> None:
    follower = Follower(dsn, shadow)
    try:
        await follower.run()
    finally:
        await follower.close()


async def accompany(settings: Settings, config: Path) -> None:
    """Keep `piekwacht beside` running as a child until cancelled. How it ends is of no consequence here."""
    pause = _FIRST
    while settings.judges:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "beside", "--config", str(config)),
            stdin=asyncio.subprocess.DEVNULL,
            preexec_fn=dying_with_parent(os.getpid()),
            process_group=0,
        )
        try:
            code = await child.wait()
        finally:
            await _end(child)
        _LOG.warning("what runs beside the gateway ended (%s); it begins again in %.0f s", code, pause)
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST)


async def _end(child: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        if child.returncode is None:
            child.terminate()
            with suppress(TimeoutError):
                await asyncio.wait_for(child.wait(), _LEAVE)
        if child.returncode is None:
            child.kill()
