"""A worker ends after its cancellation, also if a library drops the cancellation."""

import asyncio
import contextlib

import pytest

from alerting.dispatch.worker import run_worker


@pytest.mark.parametrize("did_work", [True, False])
async def test_a_worker_ends_when_its_step_drops_the_cancellation(database, did_work):
    started = asyncio.Event()

    async def drop_cancellation(_connection):
        # As asyncio.wait_for does until Python 3.12 when its result comes together with the cancellation.
        started.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        return did_work

    task = asyncio.create_task(run_worker(database, drop_cancellation, channel="test", name="test"))
    async with asyncio.timeout(10):
        await started.wait()
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()
