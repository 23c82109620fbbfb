"""The evaluation process runs separately: if it is killed, the gateway restarts it."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from gateway import settings
from gateway.service import evaluation_worker
from tests.gateway.evaluation.shadow.test_shadow import batch, live


def children():
    pids = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[1]) == os.getpid() and b"evaluate" in (path.parent / "cmdline").read_bytes():
                pids.append(int(path.parent.name))
    return pids


async def wait_until(condition, seconds=140):
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.1)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_killed_evaluation_process_is_restarted_and_continues(database, node, tmp_path, monkeypatch):
    monkeypatch.setattr(evaluation_worker, "_FIRST_RESTART_PAUSE", 0.1)
    config = tmp_path / "piekwacht.toml"
    config.write_text(
        f'database = {{ dsn = "{database}" }}\nshadow = {{ name = "night", poll_seconds = 0.2 }}\nselftest = {{}}\n'
    )

    def followed():
        with psycopg.connect(database) as connection:
            return connection.execute("SELECT max(next_batch) FROM shadow").fetchone()[0] or 0

    await live(database, [batch(node, seq) for seq in range(1, 30)])
    task = asyncio.create_task(evaluation_worker.supervise_child(settings.read(config), config))
    try:
        await wait_until(lambda: followed() == 30)
        (first,) = children()
        os.kill(first, signal.SIGKILL)
        await live(database, [batch(node, seq) for seq in range(30, 60)])
        await wait_until(lambda: followed() == 60)
        assert not task.done()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert children() == []
