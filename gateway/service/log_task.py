"""The task beside ingest that sequences the public log; a thread loads it, so that ingest need not wait."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from gateway.transparency.settings import PublicLogSettings

if TYPE_CHECKING:
    from gateway.service.log_worker import LogWorker


@asynccontextmanager
async def run_logs(
    settings: PublicLogSettings | None, dsn: str, areas: Sequence[str], connection_name: str
) -> AsyncIterator[None]:
    """Sequence the logs of these areas while the block runs; no areas: of all. Without settings nothing runs."""
    if settings is None:
        yield
        return
    task = asyncio.create_task(_run_worker(settings, dsn, areas, connection_name), name="public log")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _run_worker(settings: PublicLogSettings, dsn: str, areas: Sequence[str], connection_name: str) -> None:
    worker_class = await asyncio.to_thread(_load_worker)
    await worker_class(settings, dsn, areas, connection_name).run()


def _load_worker() -> "type[LogWorker]":
    from gateway.service.log_worker import LogWorker  # noqa: PLC0415 - with httpx it takes 0.3 s

    return LogWorker
