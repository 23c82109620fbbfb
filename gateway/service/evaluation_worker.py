"""Evaluates the detector in a separate process: it reads committed batches and alerts nobody.

`piekwacht evaluate` runs it, alone or as one of the services of `piekwacht up`.
"""

import asyncio
import os
from contextlib import suppress

from alerting.log import get_logger
from gateway.detection.detector import Detector
from gateway.detection.warm_up import warm_up_kernels
from gateway.errors import StartError
from gateway.evaluation.selftest.runner import SelfTestRunner
from gateway.evaluation.shadow.follower import ShadowFollower
from gateway.evaluation.shadow.settings import ShadowSettings
from gateway.quality.flagger import Flagger
from gateway.settings import Settings

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
