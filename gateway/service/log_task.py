"""The task beside ingest that sequences the public log; what it needs is loaded in a thread, once ingest runs."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from gateway.transparency.settings import PublicLogSettings


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
    await asyncio.to_thread(_load_worker)
    from gateway.service.log_worker import LogWorker  # noqa: PLC0415 - httpx: 0.3 s after a crash

    await LogWorker(settings, dsn, areas, connection_name).run()


def _load_worker() -> None:
    import gateway.service.log_worker  # noqa: F401, PLC0415 - as above
