"""The dispatcher: one worker that decides, several that deliver, and the heartbeat. Run by `piekwacht run`.

Several dispatchers may run on one database. Each worker has its own connection and reconnects by itself while the
database is unavailable. A channel that hangs delays only the worker that delivers to it.
"""

import asyncio
from functools import partial

from alerting.dispatch import heartbeat
from alerting.dispatch.decision_store import DecisionStore
from alerting.dispatch.decision_worker import DecisionWorker
from alerting.dispatch.delivery_worker import deliver_next
from alerting.dispatch.inbox_worker import InboxWorker
from alerting.dispatch.timer_worker import TimerWorker
from alerting.dispatch.worker import WorkerStep, run_worker
from alerting.settings import AlertingSettings


async def run(settings: AlertingSettings, dsn: str) -> None:
    """Run until cancelled. Raises SettingsError if a file that a route names cannot be read."""
    decision_store = DecisionStore(settings)
    decision_worker = DecisionWorker(
        InboxWorker(settings, decision_store), TimerWorker(settings, decision_store), settings
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(_run_worker(dsn, decision_worker.step), name="decide")
        for number in range(settings.delivery_workers):
            group.create_task(_run_worker(dsn, partial(deliver_next, settings)), name=f"deliver {number}")
        if settings.heartbeat is not None:
            group.create_task(heartbeat.run(settings.heartbeat, dsn), name="heartbeat")


async def _run_worker(dsn: str, step: WorkerStep) -> None:
    await run_worker(dsn, step, channel="piekwacht_alerting", name="piekwacht alerting")
